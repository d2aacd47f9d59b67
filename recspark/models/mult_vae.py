"""A variational autoencoder that ranks movies (Mult-VAE^PR: Liang, Krishnan, Hoffman, Jebara 2018).

    code ~ N(mean, diag(variance)), both from the user's weights, L2-normalised
    log-likelihood = Σ_rated weight · log softmax(b + W · decoder(code))

Shape legend: B users of a batch; M movies; H columns of the last hidden layer; F columns of a code.

The weights are those of `signal`. The input is sparse, as in autorec; the softmax is over all
movies, so a step holds [B, M] several times. The decoder has one hidden layer, as wide as the last
one of the encoder. A user's row is that layer's output for the mean code; the scores are an inner
product of it, and so are lists.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recspark.models.autorec import AutoRec
from recspark.models.rated_cells import RatedCells
from recspark.models.spec import ModelSpec


class MultVAE(AutoRec):
    """The encoder's layers are `spec.layers`; a code has `spec.embedding_size` columns."""

    def __init__(self, spec: ModelSpec) -> None:
        """Make the module; see `AutoRec`."""
        super().__init__(spec)
        width = self.user_width - 1
        self.code = nn.Linear(width, 2 * spec.embedding_size)
        self.decoder = nn.Sequential(nn.Linear(spec.embedding_size, width), nn.Tanh())

    def encode(self, cells: RatedCells, means: Tensor) -> Tensor:
        """Return user rows [B, H + 1], the last column 0.

        Args:
            cells: The weights of B users.
            means: [B], not used.
        """
        code, _ = self._codes(cells)
        return functional.pad(self.decoder(code).float(), (0, 1))

    def loss(self, cells: RatedCells, kl_weight: float) -> Tensor:
        """Return −log-likelihood + kl_weight · KL(code ‖ N(0, I)), summed over the users.

        In training mode the code is drawn, otherwise it is the mean.
        """
        mean, log_variance = self._codes(cells)
        code = mean
        if self.training:
            code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        outputs = functional.linear(self.decoder(code), self.movies[:, :-1], self.movies[:, -1])
        logs = functional.log_softmax(outputs.float(), dim=1)
        likelihood = logs[cells.users.long(), cells.movies.long()] @ cells.ratings
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return kl_weight * divergence - likelihood

    def _codes(self, cells: RatedCells) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the variance of the users' codes, float32 [B, F] each."""
        users = cells.users.long()
        squares = cells.ratings.new_zeros(len(cells.starts) - 1)
        squares.index_add_(0, users, cells.ratings.square())
        values = cells.ratings / squares.sqrt().index_select(0, users)
        hidden = self.hidden(self.first_layer(cells, values))
        mean, log_variance = self.code(hidden).float().chunk(2, dim=1)
        return mean, log_variance
