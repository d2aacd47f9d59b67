"""The chapters on errors: where they occur, and how well predictions are calibrated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recspark.evaluation import slices
from recspark.evaluation.leaderboard import REFERENCE_MODEL
from recspark.page.certainty import MIN_COUNT, quantile
from recspark.page.panel import Panel
from recspark.page.tables import (
    Column,
    make_table,
    number,
    plain,
    rmse,
    stars,
    whole,
)
from recspark.report.chapter import Chapter
from recspark.report.intervals import (
    EXPLAINED,
    find_extremes,
    find_widening,
    is_few,
    rmse_standard_error,
)
from recspark.report.leaderboards import Board
from recspark.report.plots import Line, draw_slice

Group = Mapping[str, Any]

# Other columns are named after models and fallbacks. The space prevents a collision.
_NAME = " name"
_NO_TIME = "no time"
_ITSELF = {slices.MODEL: "the model itself"}

ROWS = Column("num_rows", "Test ratings", whole)
ERROR = Column("mean_error", "Mean error", lambda value: number(value, "+.3f"))
HALF = Column("half_width", "± 95%", lambda value: number(value, ".3f"))
FEW = f"Grey: fewer than {MIN_COUNT} test ratings, too few for a conclusion."


@dataclass(frozen=True)
class _Style:
    """How a slice of `metrics/<model>.json` is shown."""

    title: str
    axis: str
    name: Callable[[Group], str]
    """Returns the full name of a group."""
    short: Callable[[Group], str]
    """Returns the name of a group on the axis."""


def _span(group: Group) -> str:
    low, high = group["from"], group["to"]
    return whole(low) if low == high else f"{whole(low)}–{whole(high)}"


_STYLES = {
    slices.USER_ACTIVITY: _Style(
        "users’ ratings in train", "Ratings of the user in train (this many or more)", _span,
        lambda group: _count(group["from"]),
    ),
    slices.MOVIE_POPULARITY: _Style(
        "movies’ ratings in train", "Ratings of the movie in train (this many or more)", _span,
        lambda group: _count(group["from"]),
    ),
    slices.RATING_VALUE: _Style(
        "rating given", "Rating given (stars)", lambda group: number(group["rating"], "g"),
        lambda group: number(group["rating"], "g"),
    ),
    slices.MONTH: _Style(
        "month", "Month of rating", lambda group: group["month"] or _NO_TIME,
        lambda group: group["month"] or _NO_TIME,
    ),
}  # fmt: skip


def _count(value: int) -> str:
    return f"{value // 1024} k" if value >= 1024 else str(value)


def make_errors(board: Board | None, missing: str = "") -> Chapter:
    """Return the chapter. Plots show the best and the reference model, tables show all models.

    Args:
        board: The leaderboard, if there is one.
        missing: Why there is none.
    """
    title = "Where the errors are"
    if board is None:
        return Chapter("errors", title, missing=missing)
    panels = [_slice_panel(board, name, style) for name, style in _STYLES.items()]
    text = (
        f"RMSE of the test ratings by group. Plots show {' and '.join(drawn_models(board))}, with "
        f"95% intervals; the tables show every model. {FEW} {EXPLAINED} For groups of few "
        "users the intervals can still be too narrow."
    )
    return Chapter("errors", title, text, panels=[*panels, _fallbacks(board)], are_paired=True)


def drawn_models(board: Board) -> list[str]:
    """Return the models that plots show: the best, and the reference model or else the second."""
    names = list(board.metrics)
    second = REFERENCE_MODEL if REFERENCE_MODEL in names[1:] else next(iter(names[1:]), None)
    return [names[0], *([second] if second else [])]


def _slice_panel(board: Board, name: str, style: _Style) -> Panel:
    best = next(iter(board.metrics))
    groups: list[Group] = board.metrics[best]["cuts"][name]
    if all(style.name(group) == _NO_TIME for group in groups):
        return Panel(
            f"errors-{name}",
            f"By {style.title}: no test rating has a time",
            "The source has no times, or no setting names their column.",
        )
    by_model = {
        model: {style.name(group): group["rmse"] for group in one["cuts"][name]}
        for model, one in board.metrics.items()
    }
    rows = [
        {
            _NAME: style.name(group),
            ROWS.key: group[ROWS.key],
            **{
                model: groups.get(style.name(group), math.nan) for model, groups in by_model.items()
            },
            ERROR.key: group[ERROR.key],
        }
        for group in groups
    ]
    widening = find_widening(board.metrics[best])
    for row, group in zip(rows, groups, strict=True):
        row[HALF.key] = quantile() * widening * rmse_standard_error(group)
    return Panel(
        f"errors-{name}",
        _slice_heading(style, groups, widening),
        f"The heading gives figures of {best}.",
        [
            make_table(
                "RMSE of every model",
                rows,
                Column(_NAME, style.axis.split(" (")[0], plain, is_text=True),
                ROWS,
                *(Column(model, model, rmse) for model in by_model),
                Column(HALF.key, f"± 95% of {best}", HALF.write),
                Column(ERROR.key, f"Mean error of {best}", ERROR.write),
                is_few=is_few,
            )
        ],
        draw_slice(
            name,
            [style.short(group) for group in groups],
            [group[ROWS.key] for group in groups],
            {model: _line(board, model, name, groups, style) for model in drawn_models(board)},
            style.axis,
        ),
    )


def _slice_heading(style: _Style, groups: list[Group], widening: float) -> str:
    """Return a heading about large groups whose difference is more than chance."""
    found = find_extremes(groups, widening)
    if found is None:
        return f"By {style.title}: too few test ratings to compare groups"
    low, high, is_apart = found
    if not is_apart:
        return (
            f"By {style.title}: the test set cannot distinguish groups "
            f"(RMSE {stars(low['rmse'])} to {stars(high['rmse'])})"
        )
    return f"By {style.title}: RMSE {_name_group(style, low)}, {_name_group(style, high)}"


def _name_group(style: _Style, group: Group) -> str:
    return f"{stars(group['rmse'])} at {style.name(group)} (n = {whole(group['num_rows'])})"


def _line(board: Board, model: str, name: str, groups: list[Group], style: _Style) -> Line:
    """Return a model's RMSE in these groups, NaN where it lacks a group."""
    widening = find_widening(board.metrics[model])
    mine = {style.name(group): group for group in board.metrics[model]["cuts"][name]}
    found = [mine.get(style.name(group)) for group in groups]
    return Line(
        [group["rmse"] if group else math.nan for group in found],
        [quantile() * widening * rmse_standard_error(group) if group else 0.0 for group in found],
        [group is None or is_few(group) for group in found],
    )


def _fallbacks(board: Board) -> Panel:
    answers = {
        model: {group["answered_by"]: group for group in one["cuts"][slices.FALLBACKS]}
        for model, one in board.metrics.items()
    }
    kinds = sorted({kind for groups in answers.values() for kind in groups}, key=_model_first)
    rows = [
        {_NAME: model, **{kind: groups.get(kind) for kind in kinds}}
        for model, groups in answers.items()
    ]
    best = next(iter(board.metrics.values()))
    return Panel(
        "errors-fallbacks",
        f"By source of the prediction: a fallback predicts {whole(best['num_fallbacks'])} of "
        f"{whole(best['num_rows'])} ratings",
        "If a user or movie has no rating in train, the effect of the other is predicted "
        "(movie_effect, user_effect), or else the mean of all ratings (global_mean). If a model "
        "knows both but has no prediction, bias predicts. Cells: RMSE (number of test ratings).",
        [
            make_table(
                "Source of the prediction, by model",
                rows,
                Column(_NAME, "Model", plain, is_text=True),
                *(Column(kind, _ITSELF.get(kind, kind), _answered) for kind in kinds),
            )
        ],
    )


def _model_first(kind: str) -> tuple[bool, str]:
    return kind != slices.MODEL, kind


def _answered(group: Group | None) -> str:
    return f"{rmse(group['rmse'])} ({whole(group['num_rows'])})" if group else "–"
