"""The figures of a run's models, grouped by protocol."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from recspark.contract.paths import RANKS_ONLY, USES_TIMES
from recspark.datasets.lineage import find_outdated
from recspark.evaluation.leaderboard import REFERENCE_MODEL, Metrics, rank_models
from recspark.evaluation.lists_leaderboard import Row
from recspark.evaluation.protocol import with_times
from recspark.evaluation.yardstick import YARDSTICK
from recspark.files import storage
from recspark.files.json_files import require_json
from recspark.report.inventory import Inventory


@dataclass(frozen=True)
class Board:
    """Models that may be compared, because they share the protocol and the resamples."""

    rows: list[Metrics]
    """Best first, as in `leaderboard.json`."""
    metrics: dict[str, Metrics]
    """Each model's `metrics/<name>.json`, best first."""

    @property
    def protocol(self) -> str:
        """What the figures were measured on."""
        return str(self.rows[0]["protocol"])

    @property
    def uses_times(self) -> bool:
        """Whether the models were told when each test rating was given."""
        return bool(self.rows[0].get(USES_TIMES))


@dataclass(frozen=True)
class Leaderboards:
    """All figures that are about the current data sets of a run."""

    boards: list[Board] = field(default_factory=list)
    """Boards of models that are not told the times of test come first, then those of the most
    models."""
    unmeasured: list[str] = field(default_factory=list)
    """Models whose current predictions have not been evaluated."""

    @property
    def main(self) -> Board | None:
        """The leaderboard that the other chapters use."""
        return self.boards[0] if self.boards else None

    @property
    def ranking(self) -> list[str]:
        """The models of the main leaderboard, best first."""
        return list(self.boards[0].metrics) if self.boards else []


@dataclass(frozen=True)
class ListsBoard:
    """The leaderboard of the current lists of a run."""

    rows: list[Row] = field(default_factory=list)
    """Best first, as in `lists.json`."""
    unmeasured: list[str] = field(default_factory=list)
    """Models whose current lists have not been evaluated."""

    @property
    def ranking(self) -> list[str]:
        """The models, best first, popularity last."""
        names = [row["model"] for row in self.rows]
        return sorted(names, key=lambda name: name == YARDSTICK)


def fingerprint_metrics(inventory: Inventory) -> dict[str, str]:
    """Return a hash of each model's metrics and of the leaderboard of lists."""
    paths = {f"metrics/{name}": inventory.paths.metrics(name) for name in inventory.models()}
    paths["lists"] = inventory.paths.lists_leaderboard
    return {
        name: hashlib.sha256(storage.read_bytes(path)).hexdigest()[:32]
        for name, path in paths.items()
        if storage.exists(path)
    }


def read_leaderboards(inventory: Inventory) -> Leaderboards:
    """Return the figures of the models that were fitted on the current train, by protocol."""
    groups: dict[tuple[str, ...], list[Metrics]] = {}
    unmeasured = []
    test = inventory.get("test")
    for name, model in inventory.models().items():
        if model.counts.get(RANKS_ONLY):
            continue
        path, scored = inventory.paths.metrics(name), inventory.made_by(name, "predictions")
        one: Metrics = _read(path) if storage.exists(path) else {}
        if (
            scored is None
            or test is None
            or one.get("predictions") != scored.id
            or find_outdated(scored, test=test)
        ):
            unmeasured.append(name)
            continue
        drawn = one["bootstrap"]
        key = tuple(map(str, (one["protocol"], one["num_rows"], drawn["resamples"], drawn["seed"])))
        groups.setdefault(key, []).append(one)
    measured = [one for group in groups.values() for one in group]
    reference = next((one for one in measured if one["model"] == REFERENCE_MODEL), None)
    boards = [_rank(group, reference) for group in groups.values()]
    boards.sort(key=lambda board: (board.uses_times, -len(board.rows), board.protocol))
    return Leaderboards(boards, unmeasured)


def read_lists(inventory: Inventory) -> ListsBoard:
    """Return the rows of `lists.json` that are about the current lists and the current test."""
    path, test = inventory.paths.lists_leaderboard, inventory.get("test")
    rows: list[Row] = _read(path) if storage.exists(path) else []
    current = {
        name: lists.id
        for name in inventory.models()
        if (lists := inventory.made_by(name, "recommendations"))
    }
    kept = [
        row
        for row in rows
        if test is not None
        and row["test"] == test.id
        and current.get(row["model"]) == row["recommendations"]
    ]
    # Without any other lists, popularity as evaluate counted it is a yardstick of nothing.
    if all(row["recommendations"] is None for row in kept):
        kept = []
    if kept and kept[0] is not rows[0]:  # what the others were compared with is gone
        kept = [{**row, "versus": _without_best(row["versus"])} for row in kept]
    measured = {row["model"] for row in kept}
    return ListsBoard(kept, [name for name in current if name not in measured])


def _without_best(versus: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in versus.items() if name != "best"}


def _read(path: str) -> Any:
    return require_json(
        path,
        expected="figures of models",
        remedy="Run jobs/evaluate.py with the same --config again.",
    )


def _rank(group: list[Metrics], reference: Metrics | None) -> Board:
    """Return the board of models of one protocol.

    Args:
        group: Their figures.
        reference: Those of the reference model. Models that are told the times of test are compared
            with it too if all else is equal.
    """
    by_name = {one["model"]: one for one in group}
    compared = group
    if reference is not None and _differ_in_times_only(group[0], reference):
        compared = [*group, reference]
    rows = [row for row in rank_models(compared) if row["model"] in by_name]
    return Board(rows, {row["model"]: by_name[row["model"]] for row in rows})


def _differ_in_times_only(timed: Metrics, plain: Metrics) -> bool:
    drawn = [{**one["bootstrap"], "rmse": None} for one in (timed, plain)]
    return (
        timed["protocol"] == with_times(plain["protocol"])
        and timed["num_rows"] == plain["num_rows"]
        and drawn[0] == drawn[1]
    )
