"""The plots of the report. Those of the ratings are in recspark.explore.plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator

from recspark.evaluation.leaderboard import REFERENCE_MODEL, Metrics
from recspark.evaluation.lists_leaderboard import Row
from recspark.evaluation.yardstick import YARDSTICK
from recspark.page.certainty import quantile
from recspark.page.charts import (
    ACCENT,
    INK,
    MAIN,
    Drawing,
    draw,
    draw_counts,
    draw_estimates,
    draw_small,
    label,
    name_lines,
    short,
)
from recspark.report.histories import Training

# Height in points of the axis, and of each row of a plot that lists things.
_AXIS_POINTS, _LINE_POINTS = 70, 24
# Letters that fit on an axis of groups. If names are longer, only every second, third … is shown.
_MOST_LETTERS = 42
# A first epoch is left out if it is above the best by more than this many times the range of the
# later epochs.
_FAR_OFF = 4


@dataclass(frozen=True)
class Line:
    """A model's figure in each group."""

    figures: Sequence[float]
    half_widths: Sequence[float]
    """Half widths of the 95% intervals, in the figure's unit."""
    are_few: Sequence[bool]
    """Which groups are too small for a conclusion."""


def draw_board(rows: Sequence[Metrics]) -> Drawing:
    """Return a plot of RMSE with its interval, one row per model, best on top."""
    return draw("board", partial(_board, rows), _AXIS_POINTS + _LINE_POINTS * len(rows))


def _board(rows: Sequence[Metrics], axes: Axes) -> None:
    names = [row["model"] for row in rows]
    rmse = np.array([row["rmse"] for row in rows])
    low, high = np.array([row["rmse_interval"] for row in rows]).T
    at = np.arange(len(rows))
    axes.errorbar(rmse, at, xerr=(rmse - low, high - rmse), fmt="o", color=MAIN, capsize=3)
    if REFERENCE_MODEL in names:
        reference = rmse[names.index(REFERENCE_MODEL)]
        name = f"{REFERENCE_MODEL}: {reference:.4f}"
        axes.axvline(reference, color=ACCENT, linestyle="--", label=name)
        name_lines(axes)
    _list_names(axes, names)
    users, ratings = rows[0]["num_users"], rows[0]["num_rows"]
    axis = f"RMSE (stars) with its 95% interval\n{ratings:,} test ratings of {users:,} users"
    label(axes, axis, "")


def draw_lists_board(rows: Sequence[Row]) -> Drawing:
    """Return a plot of the NDCG of lists with its interval, one row per model, best on top.

    Args:
        rows: Measured rows of the leaderboard of lists.
    """
    return draw("lists", partial(_lists_board, rows), _AXIS_POINTS + _LINE_POINTS * len(rows))


def _lists_board(rows: Sequence[Row], axes: Axes) -> None:
    names = [row["model"] for row in rows]
    ndcg = np.array([row["ndcg"] for row in rows])
    low, high = np.array([row["intervals"]["ndcg"] for row in rows]).T
    at = np.arange(len(rows))
    axes.errorbar(ndcg, at, xerr=(ndcg - low, high - ndcg), fmt="o", color=MAIN, capsize=3)
    if YARDSTICK in names:
        yardstick = ndcg[names.index(YARDSTICK)]
        name = f"{YARDSTICK}: {yardstick:.4f}"
        axes.axvline(yardstick, color=ACCENT, linestyle="--", label=name)
        name_lines(axes)
    _list_names(axes, names)
    users = max(row["num_users"] for row in rows)
    label(axes, f"NDCG@{rows[0]['k']} with its 95% interval\nlists of {users:,} users", "")


def draw_seconds(stages: Sequence[Mapping[str, Any]]) -> Drawing:
    """Return a plot of seconds, one bar per stage, in the order in which they ran."""
    return draw("seconds", partial(_seconds, stages), _AXIS_POINTS + _LINE_POINTS * len(stages))


def _seconds(stages: Sequence[Mapping[str, Any]], axes: Axes) -> None:
    seconds = [stage["seconds"] for stage in stages]
    bars = axes.barh(range(len(stages)), seconds, color=MAIN, height=0.7)
    axes.bar_label(bars, [f"{value:,.1f}" for value in seconds], padding=3)
    _list_names(axes, [f"{stage['stage']} ({stage['runs']})" for stage in stages])
    axes.margins(x=0.12)
    label(axes, "Seconds of all runs of the stage (number of runs)", "")


def _list_names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")


def draw_curves(training: Training, num_valid: int) -> Drawing:
    """Return a plot of RMSE on train and valid by epoch, with the epoch that was kept.

    Args:
        training: The model's history.
        num_valid: Number of ratings of valid that were measured, or 0 if it is unknown.
    """
    return draw_small(f"curve-{training.model}", partial(_curves, training, num_valid))


def valid_half_width(training: Training, num_valid: int) -> float:
    """Return half the 95% interval of the kept epoch's RMSE on valid, or 0 if there is no RMSE.

    It assumes `num_valid` normal and independent errors, because there are no resamples of valid.
    """
    rmse = training.epochs[training.kept_epoch]["valid_rmse"]
    return quantile() * float(rmse) / (2 * num_valid) ** 0.5 if rmse and num_valid else 0.0


def _curves(training: Training, num_valid: int, axes: Axes) -> None:
    epochs = [record["epoch"] + 1 for record in training.epochs]
    for key, color, name in (("train_rmse", ACCENT, "train"), ("valid_rmse", MAIN, "valid")):
        rmse = np.array([record[key] for record in training.epochs], np.float64)
        if not np.isnan(rmse).all():
            axes.plot(epochs, rmse, color=color, marker="o", markersize=3, label=name)
    axes.axvline(training.kept_epoch + 1, color=INK, linestyle=":", linewidth=1.2, label="kept")
    half = valid_half_width(training, num_valid)
    if half:
        kept = training.epochs[training.kept_epoch]["valid_rmse"]
        axes.errorbar([training.kept_epoch + 1], [kept], yerr=half, color=MAIN, capsize=4)
    name_lines(axes, columns=3)
    if hides_others(training):
        _, low, high = _ranges(training)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.35 * (high - low))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    valid = f" ({num_valid:,} ratings in valid)" if num_valid else ""
    label(axes, f"Epoch{valid}", "RMSE (stars)")


def hides_others(training: Training) -> bool:
    """Return whether the first epoch is so far off that the others would look like a flat line."""
    if len(training.epochs) < 4:
        return False
    first, low, high = _ranges(training)
    return first - low > _FAR_OFF * (high - low)


def _ranges(training: Training) -> tuple[float, float, float]:
    """Return the highest RMSE of the first epoch, and the lowest and highest of the later ones."""
    curves = [[one["train_rmse"], one["valid_rmse"]] for one in training.epochs]
    rmse = np.array(curves, np.float64)
    return float(np.nanmax(rmse[0])), float(np.nanmin(rmse[1:])), float(np.nanmax(rmse[1:]))


def draw_slice(
    name: str,
    groups: Sequence[str],
    counts: Sequence[int],
    series: Mapping[str, Line],
    axis: str,
    *,
    figure: str = "RMSE (stars)",
    unit: str = "test ratings",
    is_alone: bool = False,
) -> Drawing:
    """Return a plot of a figure with intervals by group, one line per model, at most two.

    Args:
        name: Name of the slice.
        groups: Names of the groups, in order.
        counts: Size of each group.
        series: The figure of each model in each group, NaN where it has none.
        axis: Label of the horizontal axis, with unit.
        figure: Label of the vertical axis, with unit.
        unit: What is counted.
        is_alone: Whether the plot has the whole width of a wide screen.
    """
    marks = partial(_slice, groups, counts, series, (axis, figure, unit))
    return (draw if is_alone else draw_small)(f"slice-{name}", marks)


def _slice(
    groups: Sequence[str],
    counts: Sequence[int],
    series: Mapping[str, Line],
    labels: tuple[str, str, str],
    axes: Axes,
) -> None:
    axis, figure, unit = labels
    at = np.arange(len(groups))
    for (model, line), color in zip(series.items(), (MAIN, ACCENT), strict=False):
        _draw_line(axes, at, line, color, model)
    name_lines(axes)
    step = -(-sum(len(name) + 2 for name in groups) // _MOST_LETTERS)
    axes.xaxis.set_major_locator(FixedLocator(at[::step].tolist()))
    axes.set_xticklabels(groups[::step])
    label(axes, axis, figure)
    draw_counts(axes, at.tolist(), counts, unit)


def _draw_line(axes: Axes, at: npt.NDArray[Any], line: Line, color: str, name: str) -> None:
    """Draw large groups as a line with their intervals, and small ones as grey marks."""
    figures, half = np.array(line.figures, np.float64), np.array(line.half_widths)
    few = np.array(line.are_few)
    draw_estimates(axes, at, figures, half, few, color=color, marker_size=4, name=name)


def draw_calibration(series: Mapping[str, Sequence[Mapping[str, Any]]]) -> Drawing:
    """Return a plot of mean rating with its interval against mean prediction.

    Args:
        series: The bins of each model, at most two, with `half_width` (of the interval) and
            `is_few`.
    """
    return draw("calibration", partial(_calibration, series))


def _calibration(series: Mapping[str, Sequence[Mapping[str, Any]]], axes: Axes) -> None:
    ends = []
    for (model, groups), color in zip(series.items(), (MAIN, ACCENT), strict=False):
        predicted = np.array([group["mean_prediction"] for group in groups])
        line = Line(
            [group["mean_rating"] for group in groups],
            [group["half_width"] for group in groups],
            [group["is_few"] for group in groups],
        )
        total = short(sum(group["num_rows"] for group in groups))
        _draw_line(axes, predicted, line, color, f"{model} (n = {total})")
        ends += [predicted.min(), predicted.max()]
    span = [min(ends), max(ends)]
    axes.plot(span, span, color=INK, linestyle=":", linewidth=1.2, label="perfect calibration")
    axes.legend(loc="upper left")
    first, groups = next(iter(series.items()))
    label(axes, "Predicted rating (stars, mean of the bin)", "Given rating (stars, mean)")
    counts = [group["num_rows"] for group in groups]
    centres = [(group["from"] + group["to"]) / 2 for group in groups]
    draw_counts(axes, centres, counts, f"test ratings by what {first} predicts")
