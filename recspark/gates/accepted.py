"""The record of the run whose model is in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recspark.errors import DataError, describe
from recspark.gates.judged_lists import JudgedLists


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a run that gates compare."""

    num_lines: int
    """Lines of the raw files."""
    num_rejects: int
    """Lines refused."""
    num_ratings: int
    """Rows of ratings."""
    rating_mean: float
    """Mean rating of train (rating units)."""

    @property
    def reject_fraction(self) -> float:
        """Refused lines as a share of all lines."""
        return self.num_rejects / max(self.num_lines, 1)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The content of the pointer: the accepted model, and the figures it was accepted on."""

    run_dir: str
    model: str
    model_id: str
    """Manifest id of `models/<model>`; it changes if the model is fitted again."""
    date: str | None
    """The day the run was for, YYYY-MM-DD."""
    rmse: float
    """On the run's own test (rating units)."""
    protocol: str
    """What the RMSE was measured on."""
    figures: Figures
    accepted_at: str
    """UTC, ISO 8601."""
    lists: Mapping[str, JudgedLists] = field(default_factory=dict)
    """Model to its lists that passed with the run."""

    @classmethod
    def from_json(cls, value: dict[str, object], where: str) -> Accepted:
        """Return the record in a file; a DataError names the remedy if it holds none."""
        try:
            fields: dict[str, Any] = dict(value)
            fields["figures"] = Figures(**fields["figures"])
            fields["lists"] = JudgedLists.from_json(fields.get("lists", {}))
            return cls(**fields)
        except (TypeError, KeyError, AttributeError) as error:
            raise DataError(
                describe(
                    where,
                    found=f"no record of an accepted run ({error})",
                    expected="what jobs/gate.py wrote",
                    remedy="Delete it to start again: the next run is then compared with nothing.",
                )
            ) from error

    def is_later_than(self, date: str | None) -> bool:
        """Return whether this run is for a later day than `date`; False if either has no day."""
        return self.date is not None and date is not None and self.date > date
