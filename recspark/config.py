"""The settings of a run: one frozen dataclass a section, one section a job.

A field's docstring is its `--help` text, and says unit and range.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recspark.checks import is_date, require, require_share


@dataclass(frozen=True, kw_only=True)
class SparkConfig:
    """The Spark session. What spark-submit was given on its command line wins over this section."""

    master: str = "local[*]"
    """Master URL where spark-submit names none, e.g. local[2] or spark://host:7077."""
    driver_memory: str = "4g"
    """Heap of the driver JVM, as Spark writes sizes (in local mode this is all of Spark's heap)."""
    shuffle_partitions: int = 8
    """Tasks after a shuffle (count, 1 or more); two or three per core is a good start."""
    log_level: Literal["ERROR", "WARN", "INFO", "DEBUG"] = "ERROR"
    """Level of the JVM's own log."""
    properties: dict[str, str] = field(default_factory=dict)
    """Further Spark properties, name to value."""

    def __post_init__(self) -> None:
        require(
            self.shuffle_partitions >= 1, "spark.shuffle_partitions", self.shuffle_partitions, "≥ 1"
        )


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """Raw text to ratings, movies and rejects."""

    format: Literal["netflix", "movielens_100k"] = "movielens_100k"
    """Layout of the raw files: netflix (combined_data_*.txt or mv_*.txt) or movielens_100k."""
    ratings: str = ""
    """The raw ratings: a file, a folder, or a glob such as data/netflix/combined_data_*.txt."""
    movies: str = ""
    """The titles: movie_titles.csv/.txt (netflix), u.item or .item (movielens_100k)."""
    probe: str | None = None
    """Netflix's probe.txt, for the data set `probe` and prepare.split probe."""
    qualifying: str | None = None
    """Netflix's qualifying.txt, for the data set `qualifying`."""
    split_bytes: int = 64 * 1024 * 1024
    """Text that one task parses (bytes, 1 or more)."""
    max_reject_fraction: float = 0.01
    """Share of refused lines (0 to 1) above which the job fails."""

    def __post_init__(self) -> None:
        require(self.split_bytes >= 1, "ingest.split_bytes", self.split_bytes, "≥ 1 byte")
        require(
            0 <= self.max_reject_fraction <= 1,
            "ingest.max_reject_fraction",
            self.max_reject_fraction,
            "a share from 0 to 1",
        )


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Ratings to index, train, valid and test."""

    min_ratings_per_user: int = 1
    """Users with fewer ratings than this are filtered out (count, 1 or more)."""
    min_ratings_per_movie: int = 1
    """Movies with fewer ratings than this are filtered out (count, 1 or more)."""
    filter: Literal["once", "k_core"] = "once"
    """Apply both minimums once, on the raw counts, or again and again until all are met."""
    user_fraction: float = 1.0
    """Share of the users to keep, for quick trials (above 0, up to 1); drawn before the filter."""
    split: Literal["random", "pairs", "probe", "time", "last"] = "random"
    """What becomes test: a random share (by a hash of user, movie and seed), the pairs that a file
    or the ingested probe names, the newest share (time), or each user's newest ratings (last)."""
    test_fraction: float = 0.1
    """Share of the ratings that random and time put into test (0 up to 1)."""
    pairs: str | None = None
    """File of held-out user-movie pairs: two leading columns (tab, comma or ::), or probe.txt."""
    cut_date: str | None = None
    """With time: ratings from this day on are test (YYYY-MM-DD); test_fraction is then unused."""
    num_last: int = 1
    """With last: each user's newest ratings that go to test (count); as many before to valid."""
    valid_fraction: float = 0.05
    """Share of the rest that goes to valid (0 up to 1); with time the newest, else drawn."""
    num_buckets: int = 8
    """Buckets of users (count, 1 or more): 8 for small data, 64 or more for the full set."""

    def __post_init__(self) -> None:
        for name in ("min_ratings_per_user", "min_ratings_per_movie", "num_buckets", "num_last"):
            require(getattr(self, name) >= 1, f"prepare.{name}", getattr(self, name), "≥ 1")
        require_share("prepare.test_fraction", self.test_fraction)
        require_share("prepare.valid_fraction", self.valid_fraction)
        require(
            0 < self.user_fraction <= 1,
            "prepare.user_fraction",
            self.user_fraction,
            "a share above 0, up to 1",
        )
        require(
            self.cut_date is None or self.split == "time",
            "prepare.cut_date",
            f"cut_date={self.cut_date} with split={self.split}",
            "prepare.cut_date only with prepare.split time",
        )
        require(
            self.cut_date is None or is_date(self.cut_date),
            "prepare.cut_date",
            self.cut_date,
            "a day as YYYY-MM-DD",
        )
        require(
            (self.pairs is not None) == (self.split == "pairs"),
            "prepare.pairs",
            f"pairs={self.pairs} with split={self.split}",
            "prepare.pairs given exactly when prepare.split is pairs",
        )


@dataclass(frozen=True, kw_only=True)
class BiasConfig:
    """Shrunken user and movie effects (Koren 2009, section 2.1)."""

    reg_user: float = 10.0
    """Shrinkage of a user's effect (pseudo-ratings at effect 0, 0 or more)."""
    reg_movie: float = 25.0
    """Shrinkage of a movie's effect (pseudo-ratings at effect 0, 0 or more)."""

    def __post_init__(self) -> None:
        for name in ("reg_user", "reg_movie"):
            require(getattr(self, name) >= 0, f"baseline.bias.{name}", getattr(self, name), "≥ 0")


@dataclass(frozen=True, kw_only=True)
class CosineUserConfig:
    """User-user cosine similarity with each user's gaps filled by the user's mean."""

    num_neighbors: int = 100
    """Nearest users that a prediction is averaged over (count, 1 or more)."""
    block_users: int = 256
    """Users whose similarities a task holds at a time (count); memory grows with it."""

    def __post_init__(self) -> None:
        for name in ("num_neighbors", "block_users"):
            value = getattr(self, name)
            require(value >= 1, f"baseline.cosine_user.{name}", value, "≥ 1")


@dataclass(frozen=True, kw_only=True)
class AlsConfig:
    """Spark MLlib's alternating least squares."""

    embedding_size: int = 32
    """Factors per user and movie (count)."""
    epochs: int = 12
    """Sweeps over users and movies (count)."""
    reg: float = 0.1
    """L2 weight on each factor, per rating (0 or more)."""

    def __post_init__(self) -> None:
        for name in ("embedding_size", "epochs"):
            require(getattr(self, name) >= 1, f"baseline.als.{name}", getattr(self, name), "≥ 1")
        require(self.reg >= 0, "baseline.als.reg", self.reg, "≥ 0")


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Models that Spark fits by itself."""

    algorithm: Literal["bias", "cosine_user", "als"] | None = None
    """The baseline that a preset stands for; null where the preset is a trained model."""
    bias: BiasConfig = field(default_factory=BiasConfig)
    cosine_user: CosineUserConfig = field(default_factory=CosineUserConfig)
    als: AlsConfig = field(default_factory=AlsConfig)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Models that PyTorch trains on one or more ranks."""

    architecture: Literal["biased_mf"] | None = None
    """The model that a preset stands for; null where the preset is a baseline."""
    embedding_size: int = 32
    """Factors per user and movie (count)."""
    init_std: float = 0.05
    """Standard deviation of the initial embeddings (rating units)."""
    epochs: int = 30
    """Most passes over train (count)."""
    patience: int = 3
    """Epochs without a better validation RMSE before training stops (count)."""
    batch_size: int = 8192
    """Rows in one step over all ranks (count)."""
    learning_rate: float = 0.01
    """Adam's step size in the first epoch (> 0)."""
    learning_rate_decay: float = 1.0
    """Factor on the step size from one epoch to the next (above 0, up to 1; 1 keeps it)."""
    reg: float = 0.02
    """L2 weight on the embeddings and biases that a row uses, per row (0 or more)."""
    num_ranks: int = 1
    """Training processes (count); each takes the buckets b with b mod num_ranks = rank."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where ranks compute: auto takes CUDA where it is, with NCCL, else the CPU with gloo."""
    timeout_seconds: int = 60
    """How long a rank waits for the others before the job fails (seconds)."""

    def __post_init__(self) -> None:
        for name in ("embedding_size", "epochs", "batch_size", "num_ranks", "timeout_seconds"):
            require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), "≥ 1")
        require(self.patience >= 1, "train.patience", self.patience, "≥ 1")
        require(self.init_std >= 0, "train.init_std", self.init_std, "≥ 0")
        require(self.learning_rate > 0, "train.learning_rate", self.learning_rate, "> 0")
        decay = self.learning_rate_decay
        require(0 < decay <= 1, "train.learning_rate_decay", decay, "above 0, up to 1")
        require(self.reg >= 0, "train.reg", self.reg, "≥ 0")


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of a run, resolved: defaults < model preset < --config files < command line."""

    name: str = ""
    """Name of the run; left out, it is the first --config file's name without its ending."""
    models: tuple[str, ...] = ("bias",)
    """Presets to fit, score and compare; each is a file models/<preset>.yaml beside the config."""
    run_dir: str | None = None
    """Where the run's data sets go (local path, hdfs:// or s3a://); null means runs/<name>/."""
    seed: int = 42
    """Seed of every random choice."""
    force: bool = False
    """Run stages again even where their output already matches config and inputs."""
    spark: SparkConfig = field(default_factory=SparkConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    @property
    def root(self) -> str:
        """The run directory, resolved."""
        return self.run_dir or f"runs/{self.name}"
