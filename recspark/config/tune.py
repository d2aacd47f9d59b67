"""Settings of the tune job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recspark.config.checks import require

_FORMS = "{low: 0.01, high: 1}, the same with log: true, or {choices: [16, 32]}"


@dataclass(frozen=True)
class SearchRange:
    """The values of one setting that a search may try."""

    low: float = 0.0
    """Lowest value; it has no meaning if there are choices."""
    high: float = 0.0
    """Highest value."""
    log: bool = False
    """Whether values are drawn evenly on a log scale."""
    choices: tuple[Any, ...] = ()
    """The values themselves; if empty, all from low to high."""

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values to check before a search: both ends, or all choices."""
        return self.choices or (self.low, self.high)


def read_range(name: str, raw: object) -> SearchRange:
    """Return the range of one setting.

    Args:
        name: The setting, for messages.
        raw: The entry of `tune.space`.

    Raises:
        ConfigError: It has none of the two forms.
    """
    where = f"tune.space of {name}"
    fields = dict(raw) if isinstance(raw, Mapping) else {}
    if set(fields) == {"choices"}:
        choices = fields["choices"]
        is_list = isinstance(choices, list | tuple) and len(choices) > 0
        require(is_list, where, choices, "a list of one or more values")
        return SearchRange(choices=tuple(choices))
    known = {"low", "high"} <= set(fields) <= {"low", "high", "log"}
    require(known, where, raw, _FORMS)
    low, high, log = fields["low"], fields["high"], fields.get("log", False)
    are_numbers = all(type(one) in (int, float) for one in (low, high))
    require(are_numbers and low < high, where, f"{low} to {high}", "two numbers, low below high")
    require(isinstance(log, bool), where, f"log {log}", "log true or false")
    require(not log or low > 0, where, f"low {low} with log", "a low above 0")
    return SearchRange(low=low, high=high, log=log)


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """A search for better settings of each model, judged by valid alone."""

    trials: int = 40
    """Trials of a model (count), with those that an earlier run of the same search finished."""
    seconds: float | None = None
    """Time after which no further trial of a model starts (seconds); null means no limit."""
    jobs: int | None = None
    """Trials side by side (count), each a rank in a process of its own on the driver's machine;
    null means one a core. Models that Spark fits are tried one by one, each on all slots."""
    space: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Setting to its range, {low: 0.01, high: 1, log: true} or {choices: [16, 32]}; a model whose
    settings it does not name is searched around the values of its preset."""
    prune: bool = True
    """Stop a trial early if its valid RMSE is above the median of the trials before it at the same
    epoch."""

    def __post_init__(self) -> None:
        require(self.trials >= 1, "tune.trials", self.trials, "≥ 1")
        seconds, jobs = self.seconds, self.jobs
        require(seconds is None or seconds > 0, "tune.seconds", seconds, "null or > 0")
        require(jobs is None or jobs >= 1, "tune.jobs", jobs, "null or ≥ 1")
        for name, raw in self.space.items():
            read_range(name, raw)
