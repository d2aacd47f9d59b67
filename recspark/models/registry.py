"""The architectures by their name in `train.architecture`."""

from __future__ import annotations

from recspark.errors import ConfigError, describe
from recspark.models.autorec import AutoRec
from recspark.models.bayesian_mf import BayesianMF
from recspark.models.biased_mf import BiasedMF
from recspark.models.dot_product import DotProduct
from recspark.models.embedding_mlp import EmbeddingMLP
from recspark.models.mult_vae import MultVAE
from recspark.models.rating_classifier import RatingClassifier
from recspark.models.rating_model import RatingModel
from recspark.models.residual_mf import ResidualMF

ARCHITECTURES: dict[str, type[RatingModel]] = {
    "biased_mf": BiasedMF,
    "dot_product": DotProduct,
    "embedding_mlp": EmbeddingMLP,
    "residual_mf": ResidualMF,
    "rating_classifier": RatingClassifier,
    "autorec": AutoRec,
    "mult_vae": MultVAE,
    "bayesian_mf": BayesianMF,
}


def find_architecture(name: str | None) -> type[RatingModel]:
    """Return the class of an architecture; a ConfigError for an unknown one lists all."""
    if name not in ARCHITECTURES:
        raise ConfigError(
            describe(
                "train.architecture",
                found=name,
                expected=f"one of {', '.join(ARCHITECTURES)}",
                remedy="Change it in the model's preset.",
            )
        )
    return ARCHITECTURES[name]
