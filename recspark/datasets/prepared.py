"""The facts about the ratings that prepare records for later stages."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, fields
from typing import Any

from recspark.datasets.manifest import Manifest, read_manifest
from recspark.errors import DataError, describe

logger = logging.getLogger(__name__)

# Of the rating scale, as in 4 and 5 of 1 to 5.
_RELEVANT_SHARE = 2 / 5


def is_left_out(stage: str, test: Manifest) -> bool:
    """Return whether a stage has nothing to do because test is empty, and log so."""
    if test.num_rows:
        return False
    logger.info("%s: left out, because test has no ratings: prepare.test_fraction is 0", stage)
    return True


def find_fold_in(path: str, train: Manifest) -> str | None:
    """Return the path of fold_in if the run of prepare that made train made one, else None.

    Args:
        path: Its path.
        train: The manifest of train.
    """
    found = read_manifest(path)
    return path if found is not None and found.id == train.id else None


@dataclass(frozen=True, kw_only=True)
class PreparedFacts:
    """The counts in the manifests of train, valid and test; ratings are those of train."""

    num_users: int
    """Users in the index."""
    num_movies: int
    """Movies in the index."""
    num_buckets: int
    """Buckets of users."""
    rating_min: float
    """Lowest rating of train, the lower end of the scale."""
    rating_max: float
    rating_mean: float
    """Mean rating of train."""
    rating_std: float
    """Standard deviation of the ratings of train."""
    rating_values: tuple[float, ...]
    """The distinct ratings of train, ascending."""

    @classmethod
    def of(cls, manifest: Manifest) -> PreparedFacts:
        """Return the facts in the manifest of train, valid or test.

        Raises:
            DataError: Another version of recspark wrote the manifest, and some facts are missing.
        """
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in manifest.counts]
        if missing:
            raise DataError(
                describe(
                    "the manifest of train, valid or test",
                    found=f"no {', '.join(missing)}",
                    expected="all facts that this version of recspark records",
                    remedy="Run jobs/prepare.py with --force.",
                )
            )
        found = {name: manifest.counts[name] for name in names}
        return cls(**{**found, "rating_values": tuple(found["rating_values"])})

    @property
    def relevant_rating(self) -> float | None:
        """The lowest rating of train within the upper two fifths of the rating scale.

        None if train has a single rating value: it cannot tell what a user liked.
        """
        lowest, highest = self.rating_min, self.rating_max
        if lowest == highest:
            return None
        limit = highest - _RELEVANT_SHARE * (highest - lowest)
        # Ratings are single precision: 1.8 is stored as a number slightly below it.
        limit -= 1e-6 * (highest - lowest)
        return min((value for value in self.rating_values if value >= limit), default=highest)

    def find_relevant(self, chosen: float | None) -> float | None:
        """Return the lowest rating by which a user liked a movie: `chosen` if it is set."""
        return self.relevant_rating if chosen is None else chosen

    def to_counts(self) -> dict[str, Any]:
        """Return the facts as a manifest stores them."""
        return {**asdict(self), "rating_values": list(self.rating_values)}
