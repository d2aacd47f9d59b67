"""The models of a run side by side, best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recspark.errors import DataError, describe

# One model's figures: model, protocol, num_rows, rmse, mae, coverage, num_fallbacks, seconds.
Metrics = dict[str, Any]

_HEADER = ("model", "RMSE", "MAE", "coverage", "fallbacks", "seconds")


def rank_models(metrics: Sequence[Metrics]) -> list[Metrics]:
    """Return the figures by rising RMSE, equal ones by name.

    Raises:
        DataError: They were measured under different protocols.
    """
    protocols: dict[tuple[str, int], list[str]] = {}
    for one in metrics:
        protocols.setdefault((one["protocol"], one["num_rows"]), []).append(one["model"])
    if len(protocols) > 1:
        found = " and ".join(
            f"{', '.join(models)} under “{protocol}” with {rows:,} rows"
            for (protocol, rows), models in protocols.items()
        )
        raise DataError(
            describe(
                "leaderboard",
                found=found,
                expected="one protocol",
                remedy="Run jobs/score.py and jobs/evaluate.py for all of them with one config.",
            )
        )
    return sorted(metrics, key=lambda one: (one["rmse"], one["model"]))


def render_table(ranked: Sequence[Metrics]) -> str:
    """Return the leaderboard as plain text: a header, a rule, one line a model, the protocol."""
    rows = [_HEADER, *(_cells(one) for one in ranked)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines.insert(1, "-" * len(lines[0]))
    protocols = sorted({f"{one['protocol']} ({one['num_rows']:,} test ratings)" for one in ranked})
    return "\n".join([*lines, *protocols])


def _cells(one: Metrics) -> tuple[str, ...]:
    return (
        one["model"],
        f"{one['rmse']:.4f}",
        f"{one['mae']:.4f}",
        f"{one['coverage']:.2%}",
        f"{one['num_fallbacks']:,}",
        f"{one['seconds']:.1f}",
    )
