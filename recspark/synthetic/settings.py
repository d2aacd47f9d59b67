"""The settings of the generator and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from recspark.config import SparkConfig
from recspark.errors import ConfigError, describe

# The largest user id of the real set divided by its number of users: ids have gaps.
ID_SPREAD = 2_649_429 / 480_189
# Beyond it, a movie's ratings would come from the few users whose taste it meets best.
_MOST_CHOICE = 5.0


def _require(holds: bool, where: str, found: object, expected: str) -> None:
    if not holds:
        raise ConfigError(
            describe(where, found=found, expected=expected, remedy=f"Change {where}.")
        )


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """One generated data set. The defaults are the counts of the Netflix Prize set."""

    output: str = "data/generated"
    """Folder of the data set (local path, hdfs:// or s3a://)."""
    num_users: int = 480_189
    """Users (count); each has at least one rating."""
    num_movies: int = 17_770
    """Movies (count); each has at least one rating."""
    num_ratings: int = 100_480_507
    """Rating lines in combined_data_*.txt (count); at least num_users + num_movies."""
    seed: int = 42
    """Seed of all random choices (0 or more): equal settings and seed give equal bytes."""
    probe_share: float = 0.014
    """Rows of probe.txt, which are also in combined_data, as a share of num_ratings (0 to 1)."""
    qualifying_share: float = 0.028
    """Rows of qualifying.txt, in addition to num_ratings, as a share of num_ratings (0 to 1)."""
    choice: float = 0.0
    """How strongly a user's taste decides which movies he rates (0 to 5): he rates a movie whose
    planted taste gives him a star more exp(choice) times as often as others rate it. 0 leaves it to
    popularity alone. Above 0, truth.json has the best NDCG that lists can have."""
    num_tasks: int | None = None
    """Tasks to run in parallel (count, changes no byte); null: one per four million ratings."""
    force: bool = False
    """Replace a data set that was generated with other settings."""
    spark: SparkConfig = field(default_factory=SparkConfig)

    def __post_init__(self) -> None:
        for name in ("num_users", "num_movies"):
            _require(getattr(self, name) >= 1, f"--{name}", getattr(self, name), "≥ 1")
        _require(bool(self.output), "--output", "nothing", "a folder to write to")
        _require(0 <= self.seed < 2**63, "--seed", self.seed, "0 or more, below 2^63")
        _require(
            self.num_tasks is None or self.num_tasks >= 1, "--num_tasks", self.num_tasks, "≥ 1"
        )
        _require(
            0 <= self.choice <= _MOST_CHOICE, "--choice", self.choice, f"0 to {_MOST_CHOICE:g}"
        )
        for name in ("probe_share", "qualifying_share"):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"--{name}", value, "a share from 0 to 1")
        _require(self.max_user_id < 2**31, "--num_users", self.num_users, "ids below 2^31")
        _require(
            self.num_ratings >= self.num_users + self.num_movies,
            "--num_ratings",
            f"{self.num_ratings:,}",
            f"at least one per user and per movie, so ≥ {self.num_users + self.num_movies:,}",
        )
        cells = self.num_users * self.num_movies
        _require(
            self.num_rows <= cells,
            "--num_ratings",
            f"{self.num_ratings:,} and {self.num_qualifying:,} for qualifying.txt",
            f"at most num_users × num_movies = {cells:,} in total, as no pair is rated twice",
        )

    @property
    def num_probe(self) -> int:
        """Rows of probe.txt."""
        return round(self.probe_share * self.num_ratings)

    @property
    def num_qualifying(self) -> int:
        """Rows of qualifying.txt."""
        return round(self.qualifying_share * self.num_ratings)

    @property
    def num_rows(self) -> int:
        """Total number of distinct (user, movie) pairs."""
        return self.num_ratings + self.num_qualifying

    @property
    def max_user_id(self) -> int:
        """The largest user id; some user always has it."""
        return round(self.num_users * ID_SPREAD)

    def content(self) -> dict[str, Any]:
        """Return the settings that affect the files' content."""
        others = {"output", "num_tasks", "force", "spark"}
        if not self.choice:
            # Data sets made before there was this setting stay valid.
            others.add("choice")
        names = [item.name for item in fields(self) if item.name not in others]
        return {name: getattr(self, name) for name in names}
