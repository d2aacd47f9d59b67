"""The models of a run side by side, best first, and whether the test set can tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from recspark.contract.catalog import PREDICTIONS, RECOMMENDATIONS
from recspark.contract.paths import USES_TIMES, RunPaths
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.errors import DataError, describe
from recspark.evaluation.bootstrap import Comparison, compare
from recspark.files.json_files import require_json

# One model's figures: the content of metrics/<model>.json (recspark.evaluation.metrics).
Metrics = dict[str, Any]

REFERENCE_MODEL = "bias"
"""The model that every other one must beat."""

HEADER = (
    *("model", "RMSE", "", "95% interval", "vs best", f"vs {REFERENCE_MODEL}"),
    *("MAE", "coverage", "fallbacks", "seconds"),
)
_TIE = "="
_TIMED = (
    "These models are told when each test rating was given. They are not ranked with the others."
)
# Too long for a table of models; they are in metrics/<model>.json only, and lists in lists.json.
_DETAILS = ("cuts", "intervals", "calibration", "bootstrap", "top_n")


def rank_models(metrics: Sequence[Metrics]) -> list[Metrics]:
    """Return the leaderboard's rows ordered by RMSE, then by name.

    A row is the model's metrics without slices, calibration and resamples, but with `versus`: the
    paired comparisons with the best model and, if present, with `bias`. Models that use the times
    of test come after all others, and the best of them is their own.

    Raises:
        DataError: They were measured under different protocols, or with different resamples.
    """
    reference = next((one for one in metrics if one["model"] == REFERENCE_MODEL), None)
    return [
        row
        for is_timed in (False, True)
        for row in _rank([one for one in metrics if _uses_times(one) == is_timed], reference)
    ]


def _uses_times(one: Metrics) -> bool:
    return bool(one.get(USES_TIMES))


def _rank(metrics: Sequence[Metrics], reference: Metrics | None) -> list[Metrics]:
    """Return the rows of models of one protocol; the reference model may be of another."""
    _require_one_protocol(metrics)
    ranked = sorted(metrics, key=lambda one: (one["rmse"], one["model"]))
    others = {"best": next(iter(ranked), None), REFERENCE_MODEL: reference}
    return [
        {
            **{name: value for name, value in one.items() if name not in _DETAILS},
            "versus": {
                name: _describe(_compare(one, other))
                for name, other in others.items()
                if other is not None and other is not one
            },
        }
        for one in ranked
    ]


def find_worse(ranked: Sequence[Metrics]) -> list[str]:
    """Return the models that are worse than the reference model, beyond the interval.

    Args:
        ranked: Rows of `rank_models`.
    """
    versus = {one["model"]: one["versus"].get(REFERENCE_MODEL) for one in ranked}
    return [name for name, other in versus.items() if other is not None and other["low"] > 0]


def compare_models(one: Metrics, other: Metrics) -> Comparison:
    """Return the difference of two models' RMSE with its interval over the same users.

    Raises:
        DataError: They were measured under different protocols, or with different resamples.
    """
    _require_one_protocol([one, other])
    return _compare(one, other)


def _compare(one: Metrics, other: Metrics) -> Comparison:
    if _describe_resamples(one) != _describe_resamples(other):
        raise DataError(
            describe(
                f"{one['model']} and {other['model']}",
                found=f"{_describe_resamples(one)} and {_describe_resamples(other)}",
                expected="the same resamples",
                remedy="Run jobs/evaluate.py for both with one config.",
            )
        )
    return compare(
        one["rmse"],
        np.array(one["bootstrap"]["rmse"]),
        other["rmse"],
        np.array(other["bootstrap"]["rmse"]),
    )


def read_figures(
    path: str,
    paths: RunPaths,
    *,
    remedy: str = "Run jobs/evaluate.py with the same --config first.",
) -> Any:
    """Return the content of `metrics/<model>.json`, or the rows of a leaderboard.

    Args:
        path: The file.
        paths: The run that it belongs to.
        remedy: How to create the file.

    Raises:
        DataError: The file is missing or damaged, or the current predictions of a model (or
            its lists, where it has lists only) are not those that its figures were computed from.
    """
    found = require_json(path, expected="the figures of an evaluated run", remedy=remedy)
    for one in found if isinstance(found, list) else [found]:
        if "predictions" in one:  # models that rank only have none
            current = require_manifest(paths.predictions(one["model"]), PREDICTIONS)
            _require_figures_of(path, one, "predictions", current)
        elif one.get("recommendations"):
            current = require_manifest(paths.recommendations(one["model"]), RECOMMENDATIONS)
            _require_figures_of(path, one, "recommendations", current)
    return found


def _require_figures_of(path: str, one: Metrics, kind: str, current: Manifest) -> None:
    if one[kind] != current.id:
        raise DataError(
            describe(
                path,
                found=f"figures of earlier {kind} of {one['model']} ({one[kind]})",
                expected=f"those of the current ones ({current.id})",
                remedy="Run jobs/evaluate.py with the same --config again.",
            )
        )


def _describe_resamples(metrics: Metrics) -> str:
    drawn = metrics["bootstrap"]
    return f"{drawn['resamples']} resamples of seed {drawn['seed']}"


def _describe(comparison: Comparison) -> dict[str, Any]:
    return {**asdict(comparison), "is_tie": comparison.is_tie}


def _require_one_protocol(metrics: Sequence[Metrics]) -> None:
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


def render_table(ranked: Sequence[Metrics]) -> str:
    """Return the leaderboard as plain text: a header, a rule, one line per model, notes.

    Args:
        ranked: Rows of `rank_models`.
    """
    rows = [HEADER, *(cells(one) for one in ranked)]
    num_plain = sum(not _uses_times(one) for one in ranked)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    if num_plain < len(ranked):
        lines.insert(1 + num_plain, _TIMED)
    lines.insert(1, "-" * len(lines[0]))
    lines += sorted({f"{one['protocol']} ({one['num_rows']:,} test ratings)" for one in ranked})
    if any(_is_tied(one) for one in ranked):
        lines.append(f"{_TIE} tied with the best: the interval of the difference contains 0")
    return "\n".join(lines)


def _is_tied(one: Metrics) -> bool:
    return bool(one["versus"].get("best", {}).get("is_tie"))


def cells(one: Metrics) -> tuple[str, ...]:
    """Return a row of `rank_models` as texts, one per entry of HEADER."""
    low, high = one["rmse_interval"]
    return (
        one["model"],
        f"{one['rmse']:.4f}",
        _TIE if _is_tied(one) else "",
        f"{low:.4f}–{high:.4f}",
        _difference(one, "best"),
        _difference(one, REFERENCE_MODEL),
        f"{one['mae']:.4f}",
        f"{one['coverage']:.2%}",
        f"{one['num_fallbacks']:,}",
        f"{one['seconds']:.1f}",
    )


def _difference(one: Metrics, other: str) -> str:
    """Return e.g. `-0.0281 ±0.0040`, half the interval's width after the difference."""
    versus = one["versus"].get(other)
    if versus is None:
        return ""
    return f"{versus['difference']:+.4f} ±{(versus['high'] - versus['low']) / 2:.4f}"
