"""The settings of a run: one section per job, each a frozen dataclass in its own file.

A field's docstring is its `--help` text. It gives the unit and the range.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recspark.config.baseline import (
    AlsConfig,
    BaselineConfig,
    BiasConfig,
    CosineUserConfig,
    EaseConfig,
    ItemKnnConfig,
    PopularityConfig,
    ResidualNeighborsConfig,
)
from recspark.config.blend import BlendConfig
from recspark.config.checks import require, require_model_names, require_run_dir, require_run_name
from recspark.config.evaluate import EvaluateConfig
from recspark.config.gate import GateConfig
from recspark.config.ingest import IngestConfig
from recspark.config.list_blend import ListBlendConfig
from recspark.config.prepare import PrepareConfig
from recspark.config.recommend import RecommendConfig
from recspark.config.report import ReportConfig
from recspark.config.score_pairs import ScorePairsConfig
from recspark.config.signal import SignalConfig
from recspark.config.similar import SimilarConfig
from recspark.config.spark import SparkConfig
from recspark.config.table import TableConfig
from recspark.config.train import TrainConfig
from recspark.config.tune import TuneConfig

__all__ = [
    "AlsConfig",
    "BaselineConfig",
    "BiasConfig",
    "BlendConfig",
    "Config",
    "CosineUserConfig",
    "EaseConfig",
    "EvaluateConfig",
    "GateConfig",
    "IngestConfig",
    "ItemKnnConfig",
    "ListBlendConfig",
    "PopularityConfig",
    "PrepareConfig",
    "RecommendConfig",
    "ReportConfig",
    "ResidualNeighborsConfig",
    "ScorePairsConfig",
    "SignalConfig",
    "SimilarConfig",
    "SparkConfig",
    "TableConfig",
    "TrainConfig",
    "TuneConfig",
]


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of a run, resolved: defaults < model preset < --config files < command line."""

    name: str = ""
    """Name of the run; by default the first --config file's name without its suffix."""
    models: tuple[str, ...] = ("bias",)
    """Presets to fit, score and compare, e.g. biased_mf; a file models/<name>.yaml beside the
    config adds one."""
    run_dir: str | None = None
    """Where the run's data sets go (local path, hdfs:// or s3a://); null means runs/<name>/."""
    seed: int = 42
    """Seed of every random choice."""
    force: bool = False
    """Run stages again even if their output already matches config and inputs."""
    until: Literal["ingest", "prepare", "fit", "score", "evaluate", "report"] = "report"
    """The last part of the pipeline to run; score includes the blends and the lists."""
    spark: SparkConfig = field(default_factory=SparkConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    signal: SignalConfig = field(default_factory=SignalConfig)
    baseline: BaselineConfig = field(default_factory=BaselineConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    tune: TuneConfig = field(default_factory=TuneConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    blend: BlendConfig = field(default_factory=BlendConfig)
    list_blend: ListBlendConfig = field(default_factory=ListBlendConfig)
    score_pairs: ScorePairsConfig = field(default_factory=ScorePairsConfig)
    recommend: RecommendConfig = field(default_factory=RecommendConfig)
    similar: SimilarConfig = field(default_factory=SimilarConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    gate: GateConfig = field(default_factory=GateConfig)

    def __post_init__(self) -> None:
        require_run_name(self.name, is_folder=self.run_dir is None)
        require_model_names("models", self.models)
        require_run_dir(self.root)
        require(
            self.prepare.split not in ("time", "last")
            or self.ingest.format != "table"
            or self.ingest.table.time is not None,
            "prepare.split",
            f"{self.prepare.split} with a table without times",
            "random or pairs, or the column of times in ingest.table.time",
        )

    @property
    def root(self) -> str:
        """The run directory, resolved."""
        return self.run_dir or f"runs/{self.name}"

    @property
    def ranks_only(self) -> bool:
        """Whether this is the config of a model that ranks movies and predicts no ratings."""
        return self.baseline.ranks_only or self.train.ranks_only
