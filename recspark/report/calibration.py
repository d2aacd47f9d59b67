"""The chapter on calibration: predicted against given ratings, and the intervals of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recspark.page.certainty import quantile
from recspark.page.panel import Panel
from recspark.page.tables import Column, Table, make_table, number, percent, plain, stars, whole
from recspark.report.chapter import Chapter
from recspark.report.errors import ERROR, FEW, HALF, ROWS, drawn_models
from recspark.report.intervals import EXPLAINED, find_widening, is_few, mean_error_standard_error
from recspark.report.leaderboards import Board, Leaderboards
from recspark.report.plots import draw_calibration

Group = Mapping[str, Any]


def make_calibration(leaderboards: Leaderboards, missing: str = "") -> Chapter:
    """Return the chapter that compares predicted with given ratings.

    Args:
        leaderboards: The first is drawn; models of all of them may state intervals.
        missing: Why there is no leaderboard.
    """
    title, board = "Calibration", leaderboards.main
    if board is None:
        return Chapter("calibrated", title, missing=missing)
    best = next(iter(board.metrics))
    panel = Panel(
        "calibration",
        _calibration_heading(best, board.metrics[best]),
        "Test ratings are grouped by prediction into bins of a quarter star. The plot shows the "
        "mean rating that users gave, with its 95% interval, against the mean prediction of each "
        "bin. On the dotted line both are equal. The average distance weights bins by their number "
        f"of ratings. Within a bin, errors cancel out. {FEW} {EXPLAINED}",
        [_calibration_table(model, one) for model, one in board.metrics.items()],
        draw_calibration(
            {model: _calibration_bins(board.metrics[model]) for model in drawn_models(board)}
        ),
        fold_title="Figures of every model",
    )
    return Chapter("calibrated", title, panels=[panel, *_intervals(leaderboards.boards)])


def _intervals(boards: Sequence[Board]) -> list[Panel]:
    """Return how many ratings lie inside the intervals that models state; [] if none states any."""
    tables, levels = [], []
    for board in boards:
        rows = [
            {**level, "model": model}
            for model, one in board.metrics.items()
            for level in one.get("intervals", [])
        ]
        levels += rows
        if rows:
            tables.append(_interval_table(board.protocol, rows))
    if not levels:
        return []
    best = levels[0]["model"]
    widest = max((one for one in levels if one["model"] == best), key=lambda one: one["level"])
    heading = (
        f"{percent(widest['covered'])} of the test ratings lie inside the {widest['level']:.0%} "
        f"intervals of {best}"
    )
    text = (
        "Some models state how far off a prediction may be. Each interval is that of a normal "
        "distribution around the prediction, with the noise of ratings. If more ratings than its "
        "share lie inside, it is too wide; if fewer, too narrow. Ratings come in steps and end "
        "with the scale, so no share is exact. Width is in stars."
    )
    return [Panel("intervals", heading, text, tables)]


def _interval_table(title: str, rows: list[dict[str, Any]]) -> Table:
    return make_table(
        title,
        rows,
        Column("model", "Model", plain, is_text=True),
        Column("level", "Interval", lambda level: f"{level:.0%}"),
        Column("covered", "Inside", percent),
        Column("mean_width", "Mean width", stars),
        ROWS,
    )


def _calibration_heading(model: str, metrics: dict[str, Any]) -> str:
    large = [group for group in metrics["calibration"] if not is_few(group)]
    if not large:
        return f"Too few test ratings to judge the calibration of {model}"
    reach = quantile(len(large)) * find_widening(metrics)
    if all(abs(group["mean_error"]) <= reach * mean_error_standard_error(group) for group in large):
        return f"Predictions of {model} are off by no more than chance"
    rows = sum(group["num_rows"] for group in large)
    off = sum(abs(group["mean_error"]) * group["num_rows"] for group in large) / rows
    return f"Predictions of {model} are off by {off:.2f} stars on average (n = {whole(rows)})"


def _calibration_bins(metrics: dict[str, Any]) -> list[Group]:
    reach = quantile() * find_widening(metrics)
    return [
        {**group, HALF.key: reach * mean_error_standard_error(group), "is_few": is_few(group)}
        for group in metrics["calibration"]
    ]


def _calibration_table(model: str, one: dict[str, Any]) -> Table:
    rows = [
        {**group, "bin": f"{number(group['from'], '.3f')}–{number(group['to'], '.3f')}"}
        for group in _calibration_bins(one)
    ]
    return make_table(
        model,
        rows,
        Column("bin", "Predicted", plain, is_text=True),
        ROWS,
        Column("mean_prediction", "Mean prediction", stars),
        Column("mean_rating", "Mean rating", stars),
        ERROR,
        HALF,
        is_few=is_few,
    )
