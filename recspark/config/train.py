"""Settings of the models that PyTorch trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recspark.config.checks import require, require_share
from recspark.config.sampler import SamplerConfig

AUTOENCODERS = ("autorec", "mult_vae")
LAYER_FORMS = (
    "`dense N` (N ≥ 1), `relu`, `tanh`, `batch_norm` or `dropout P` (P at least 0, below 1)"
)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Models that PyTorch trains on one or more ranks."""

    architecture: (
        Literal[
            "biased_mf",
            "dot_product",
            "embedding_mlp",
            "residual_mf",
            "rating_classifier",
            "autorec",
            "mult_vae",
            "bayesian_mf",
        ]
        | None
    ) = None
    """The model that a preset stands for; null where the preset is a baseline."""
    embedding_size: int = 32
    """Factors per user and movie (count)."""
    init: Literal["normal", "uniform"] = "normal"
    """Distribution of the initial embeddings, around 0."""
    init_scale: float = 0.05
    """Standard deviation (normal) or half the width (uniform) of the initial embeddings."""
    layers: tuple[str, ...] = ()
    """Hidden layers in order, each `dense N`, `relu`, `tanh`, `batch_norm` or `dropout P`; the
    dense layer that outputs the prediction is added automatically."""
    target: Literal["raw", "centered", "standardized", "one_of_k"] = "centered"
    """What the model learns to predict: raw, the rating; centered, the rating minus the mean;
    standardized, that divided by the standard deviation; one_of_k, a class for each rating value
    (its loss is cross-entropy, that of the others squared error)."""
    epochs: int = 30
    """Maximum number of passes over train (count)."""
    patience: int = 3
    """Epochs without a better figure on valid before training stops (count); see `refit`."""
    refit: bool = False
    """Fit the model again on train and valid together, for the number of epochs that valid chose.
    It takes as long again; the figure on valid stays that of the first fit, and so do the blend's
    weights. The figure is RMSE, or NDCG@10 of models that rank and predict no ratings."""
    batch_size: int = 8192
    """Rows of one step over all ranks (count); users for autorec and mult_vae."""
    min_steps: int = 1
    """Minimum number of steps per epoch (count); if train is too small for as many steps of
    batch_size rows, each step has fewer."""
    optimizer: Literal["adam", "sgd", "als", "ials"] = "adam"
    """Adam, gradient descent with momentum, or alternating least squares, which solves for all
    movies and then for all users in each epoch (biased_mf alone). ials (dot_product alone) does the
    same for all pairs of users and movies, and learns to rank. bayesian_mf uses none."""
    momentum: float = 0.9
    """Momentum of sgd (at least 0, below 1)."""
    learning_rate: float = 0.01
    """Step size before any decay (> 0)."""
    schedule: Literal["decay", "cosine"] = "decay"
    """decay multiplies the step size by learning_rate_decay; cosine lowers it to 0 over `epochs`,
    step by step."""
    learning_rate_decay: float = 1.0
    """Factor of decay on the step size (above 0, up to 1; 1 leaves it unchanged)."""
    decay_epochs: tuple[int, ...] = ()
    """Epochs, counted from 0, before which the factor is applied; if empty, before every epoch but
    the first."""
    warmup_epochs: float = 0.0
    """Epochs over which the step size rises from 0 (0 or more, fractions allowed)."""
    reg: float = 0.02
    """L2 weight on the embeddings and biases: per row that uses them, or, with embedding_updates
    table, on the whole tables in every step (0 or more)."""
    bias_reg: float | None = None
    """L2 weight on the biases of users and movies (0 or more); null means the same as reg."""
    unobserved_weight: float = 0.1
    """Weight in ials of a pair without a rating, whose score should be 0 (above 0); that of a
    rating comes from `signal`. It also scales reg, so both are searched together."""
    kl_weight: float = 0.2
    """Weight in mult_vae of the divergence of a user's code from a standard normal (0 or more)."""
    kl_epochs: int = 20
    """Epochs over which kl_weight rises from 0 (count, 0 or more)."""
    embedding_updates: Literal["rows", "table"] = "rows"
    """rows updates only the users of a step, at a cost proportional to the step; table updates
    every user in every step, as textbook Adam does."""
    weight_decay: float = 0.0
    """L2 weight on the dense layers' weights, added to the mean loss of a step (0 or more)."""
    clip_norm: float | None = None
    """Norm, over all parameters, to which a step's gradient is clipped; null means no clipping."""
    precision: Literal["auto", "fp32", "tf32", "bf16"] = "auto"
    """Arithmetic of dense layers in training: fp32, tf32 (on GPUs that have it) or bf16 (by
    autocast); weights, sums and validation are fp32. auto means bf16 where the hardware multiplies
    it faster (AVX-512 BF16, AMX, or a GPU of Ampere or later) and layers and steps are large enough
    to gain, else fp32."""
    feed: Literal["auto", "resident", "streaming"] = "auto"
    """resident holds a rank's ratings in memory; streaming reads them again in each epoch; auto
    chooses resident if they fit into feed_memory_mib."""
    feed_memory_mib: int = 4096
    """Memory for a rank's ratings, or for its shuffle buffers when streaming (MiB)."""
    reader: Literal["petastorm", "arrow"] = "petastorm"
    """Reader of the Parquet files: petastorm, or arrow (pyarrow alone), which is faster and lets
    training run on machines without petastorm and pyspark. Both give the same rows in the same
    order."""
    num_ranks: int = 1
    """Training processes (count); each takes the buckets b with b mod num_ranks = rank."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where ranks compute: auto means a GPU for each rank (CUDA with NCCL) if every rank sees one,
    otherwise the CPU with gloo."""
    timeout_seconds: int = 30
    """How long a rank waits for the others, in a step or for their part of a checkpoint, before the
    job fails (seconds)."""
    checkpoint_steps: int = 0
    """Steps between checkpoints inside an epoch (count); 0 writes one only after each epoch."""
    checkpoint_seconds: int = 0
    """Least time between two checkpoints after an epoch (seconds); 0 writes one after each."""
    resume: bool = False
    """Continue from the newest complete checkpoint, on any number of ranks, and also with other
    epochs (except under the cosine schedule) and patience; without one, train from the start."""
    tensorboard: bool = False
    """Also write the history for TensorBoard, to the run's tensorboard/ (needs the extra
    `tracking`)."""
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    """Of bayesian_mf, whose sweeps `epochs` counts."""

    @property
    def uses_times(self) -> bool:
        """Whether predictions are for the moment of the rating, where that is known."""
        sampler = self.sampler
        return self.architecture == "bayesian_mf" and (sampler.drift or sampler.time_process)

    @property
    def solves_rows(self) -> bool:
        """Whether users and movies are solved for or drawn, row by row, instead of descended."""
        return self.architecture == "bayesian_mf" or self.optimizer in ("als", "ials")

    @property
    def encodes_users(self) -> bool:
        """Whether a step takes whole users and computes their rows from their ratings."""
        return self.architecture in AUTOENCODERS

    @property
    def ranks_only(self) -> bool:
        """Whether the model ranks movies and predicts no ratings."""
        return self.architecture == "mult_vae" or self.optimizer == "ials"

    def __post_init__(self) -> None:
        for name in (
            *("embedding_size", "epochs", "batch_size", "num_ranks", "timeout_seconds"),
            *("patience", "feed_memory_mib", "min_steps"),
        ):
            require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), "≥ 1")
        for name in (
            "init_scale",
            "reg",
            "weight_decay",
            "warmup_epochs",
            "kl_weight",
            "kl_epochs",
        ):
            require(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "≥ 0")
        for name in ("checkpoint_steps", "checkpoint_seconds"):
            require(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "≥ 0")
        require(self.learning_rate > 0, "train.learning_rate", self.learning_rate, "> 0")
        require_share("train.momentum", self.momentum)
        decay = self.learning_rate_decay
        require(0 < decay <= 1, "train.learning_rate_decay", decay, "above 0, up to 1")
        bias = self.bias_reg
        require(bias is None or bias >= 0, "train.bias_reg", bias, "null or ≥ 0")
        norm = self.clip_norm
        require(norm is None or norm > 0, "train.clip_norm", norm, "null or > 0")
        require(
            self.checkpoint_seconds >= 0, "train.checkpoint_seconds", self.checkpoint_seconds, "≥ 0"
        )
        if self.optimizer == "als":
            require(self.architecture == "biased_mf", "train.optimizer", "als", "als of biased_mf")
            require(self.reg > 0 and bias != 0, "train.reg", self.reg, "> 0 with als, as bias_reg")
        if self.optimizer == "ials":
            fits = self.architecture == "dot_product" and self.target == "raw"
            found = f"ials of {self.architecture}, target {self.target}"
            require(fits, "train.optimizer", found, "ials of dot_product with the target raw")
            require(self.reg > 0, "train.reg", self.reg, "> 0 with ials")
        weight = self.unobserved_weight
        require(weight > 0, "train.unobserved_weight", weight, "> 0")
        if self.architecture == "bayesian_mf":
            least = self.sampler.burn_in + self.sampler.samples
            require(self.epochs >= least, "train.epochs", self.epochs, f"≥ {least}, see sampler")
        for entry in self.layers:
            require(is_layer(entry), "train.layers", f"`{entry}`", LAYER_FORMS)


def is_layer(entry: str) -> bool:
    """Return whether an entry of train.layers is one of LAYER_FORMS."""
    try:
        match entry.split():
            case ["dense", size]:
                return int(size) >= 1
            case ["dropout", share]:
                return 0 <= float(share) < 1
            case ["relu"] | ["tanh"] | ["batch_norm"]:
                return True
    except ValueError:
        pass  # not a number
    return False
