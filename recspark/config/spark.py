"""Settings of the Spark session."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from recspark.config.checks import require

_LOCAL = re.compile(r"local(\[(\*|[1-9]\d*)(, *\d+)?\]|-cluster\[\d+, *\d+, *\d+\])?")
_CLUSTER = re.compile(r"yarn|\w+://.+")


@dataclass(frozen=True, kw_only=True)
class SparkConfig:
    """The Spark session. Options on the command line of spark-submit win over this section."""

    master: str = "local[*]"
    """Master URL if spark-submit names none, e.g. local[2] or spark://host:7077."""
    driver_memory: str = "4g"
    """Heap of the driver JVM, as Spark writes sizes (in local mode this is all of Spark's heap)."""
    shuffle_partitions: int = 8
    """Tasks after a shuffle (count, 1 or more); two or three per core is a good start."""
    log_level: Literal["ERROR", "WARN", "INFO", "DEBUG"] = "ERROR"
    """Level of the JVM's own log."""
    properties: dict[str, str] = field(default_factory=dict)
    """Further Spark properties, name to value. They win over the settings above."""

    def __post_init__(self) -> None:
        require(
            bool(_LOCAL.fullmatch(self.master) or _CLUSTER.fullmatch(self.master)),
            "spark.master",
            self.master or "no master",
            "local[2] for two cores of this machine, local[*] for all of them, or a cluster's "
            "spark://HOST:PORT, yarn or k8s://URL",
        )
        require(
            self.shuffle_partitions >= 1, "spark.shuffle_partitions", self.shuffle_partitions, "≥ 1"
        )
