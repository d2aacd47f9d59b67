"""The trials of a search as one JSON file, which a search continues from.

The file lies in the run directory, on any file system: it is written as a whole after each trial,
and a trial that was cut short is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from recspark.files import json_files, storage

RMSE, MISSED = "RMSE", "1 − NDCG@10"
"""What a search lowers: RMSE, or what lists of models that predict no ratings miss."""

State = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        state: finished, pruned (stopped early) or failed (it diverged, or its process died).
        rmse: RMSE on valid of its best epoch, before clipping, or `MISSED`; None if there is none.
        curve: The same after each epoch; empty for models without epochs.
        error: Why it failed.
    """

    state: State
    rmse: float | None
    curve: Sequence[float] = ()
    error: str = ""


@dataclass(frozen=True)
class Trial:
    """A trial that ended, as JSON values.

    Attributes:
        number: From 0, in the order of their starts.
        settings: Path of each searched setting to its value.
        seconds: How long it took.
        state: See `Outcome`, as the following ones.
    """

    number: int
    settings: Mapping[str, Any]
    seconds: float
    state: State
    rmse: float | None
    curve: Sequence[float] = field(default_factory=list)
    error: str = ""


def find_best(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial of the lowest RMSE, the first of equals; None if none finished."""
    finished = [one for one in trials if one.state == "finished" and one.rmse is not None]
    return min(finished, key=lambda one: (one.rmse, one.number), default=None)


def sort_by_rmse(trials: Sequence[Trial]) -> list[Trial]:
    """Return finished trials by RMSE, then those that were pruned, then those that failed."""
    states = ("finished", "pruned", "failed")
    return sorted(trials, key=lambda one: (states.index(one.state), one.rmse or 0.0, one.number))


def write_trials(path: str, trials: Sequence[Trial], belongs_to: Mapping[str, Any]) -> None:
    """Write the trials, and what another search must share with this one to continue it."""
    in_order = [asdict(trial) for trial in sorted(trials, key=lambda one: one.number)]
    json_files.write_json(path, {"belongs_to": belongs_to, "trials": in_order})


def read_trials(path: str, belongs_to: Mapping[str, Any]) -> list[Trial]:
    """Return the trials of a search that this one continues; none if there is no such file."""
    if not storage.exists(path):
        return []
    found = json_files.read_json(path)
    if found["belongs_to"] != belongs_to:
        return []
    return [Trial(**trial) for trial in found["trials"]]
