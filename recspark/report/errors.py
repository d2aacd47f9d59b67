"""The chapter of errors: where they are, and whether predictions keep what they promise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recspark.evaluation import slices
from recspark.evaluation.leaderboard import REFERENCE_MODEL
from recspark.page.panel import Panel
from recspark.page.tables import Column, Table, make_table, plain, rmse, stars, whole
from recspark.report.chapter import Chapter
from recspark.report.leaderboards import Board
from recspark.report.plots import draw_calibration, draw_cut

Group = dict[str, Any]

# Columns are also named after models and fallbacks, which no name here may collide with.
_NAME = " name"
_ITSELF = {slices.MODEL: "the model itself"}

_UNMEASURED = "No model is measured. Run jobs/evaluate.py with the same --config."

_ROWS = Column("num_rows", "Test ratings", whole)
_ERROR = Column("mean_error", "Mean error", lambda value: f"{value:+.3f}")


@dataclass(frozen=True)
class _Cut:
    """How a cut of `metrics/<model>.json` is shown."""

    title: str
    axis: str
    name: Callable[[Group], str]
    """Of a group, in full."""
    short: Callable[[Group], str]
    """On the axis."""


def _span(group: Group) -> str:
    low, high = group["from"], group["to"]
    return whole(low) if low == high else f"{whole(low)}–{whole(high)}"


_CUTS = {
    slices.USER_ACTIVITY: _Cut(
        "users’ ratings in train", "Ratings of the user in train (this many or more)", _span,
        lambda group: _count(group["from"]),
    ),
    slices.MOVIE_POPULARITY: _Cut(
        "movies’ ratings in train", "Ratings of the movie in train (this many or more)", _span,
        lambda group: _count(group["from"]),
    ),
    slices.RATING_VALUE: _Cut(
        "rating given", "Rating given (stars)", lambda group: f"{group['rating']:g}",
        lambda group: f"{group['rating']:g}",
    ),
    slices.MONTH: _Cut(
        "month", "Month of rating", lambda group: str(group["month"]),
        lambda group: str(group["month"]),
    ),
}  # fmt: skip


def _count(value: int) -> str:
    return f"{value // 1024} k" if value >= 1024 else str(value)


def make_errors(board: Board | None) -> Chapter:
    """Return the chapter; plots show the best model and the floor, tables show all."""
    title = "Where the errors are"
    if board is None:
        return Chapter("errors", title, missing=_UNMEASURED)
    panels = [_cut(board, name, cut) for name, cut in _CUTS.items()]
    text = (
        "RMSE of the test ratings in groups. Plots show "
        f"{' and '.join(_drawn(board))}; the tables have every model."
    )
    return Chapter("errors", title, text, panels=[*panels, _fallbacks(board)], are_paired=True)


def _drawn(board: Board) -> list[str]:
    """Return the models that plots show: the best, and the floor (else the next)."""
    names = list(board.metrics)
    second = REFERENCE_MODEL if REFERENCE_MODEL in names[1:] else next(iter(names[1:]), None)
    return [names[0], *([second] if second else [])]


def _cut(board: Board, name: str, cut: _Cut) -> Panel:
    best = next(iter(board.metrics))
    groups: list[Group] = board.metrics[best]["cuts"][name]
    by_model = {
        model: {cut.name(group): group["rmse"] for group in one["cuts"][name]}
        for model, one in board.metrics.items()
    }
    rows = [
        {
            _NAME: cut.name(group),
            _ROWS.key: group[_ROWS.key],
            **{model: groups.get(cut.name(group), math.nan) for model, groups in by_model.items()},
            _ERROR.key: group[_ERROR.key],
        }
        for group in groups
    ]
    low, high = (pick(groups, key=lambda group: group["rmse"]) for pick in (min, max))
    return Panel(
        f"errors-{name}",
        f"By {cut.title}: RMSE {stars(low['rmse'])} at {cut.name(low)}, "
        f"{stars(high['rmse'])} at {cut.name(high)}",
        f"Figures of {best}.",
        [
            make_table(
                "RMSE of every model",
                rows,
                Column(_NAME, cut.axis.split(" (")[0], plain, is_text=True),
                _ROWS,
                *(Column(model, model, rmse) for model in by_model),
                Column(_ERROR.key, f"Mean error of {best}", _ERROR.write),
            )
        ],
        draw_cut(
            name,
            [cut.short(group) for group in groups],
            {model: [row[model] for row in rows] for model in _drawn(board)},
            cut.axis,
        ),
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
        f"By who answered: {whole(best['num_fallbacks'])} of {whole(best['num_rows'])} ratings "
        "are predicted by a fallback",
        "Users or movies without a rating in train are answered by what is known of the other "
        "(movie_effect, user_effect), else by the mean of all ratings (global_mean); where a model "
        "knows both and has no answer, bias answers. RMSE, and how many test ratings.",
        [
            make_table(
                "Who answered, by model",
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


def make_calibration(board: Board | None) -> Chapter:
    """Return the chapter on predicted against given ratings."""
    title = "Calibration"
    if board is None:
        return Chapter("calibrated", title, missing=_UNMEASURED)
    drawn = {model: board.metrics[model]["calibration"] for model in _drawn(board)}
    best = next(iter(board.metrics))
    panel = Panel(
        "calibration",
        f"What {best} predicts is off by {_miscalibration(drawn[best]):.2f} stars on average",
        "Test ratings in bins of a quarter star by what was predicted: the mean prediction against "
        "the mean of what users gave, and the dotted line where both are equal. The average of the "
        "distance weighs bins by their ratings; within a bin, errors cancel out.",
        [_calibration_table(model, one) for model, one in board.metrics.items()],
        draw_calibration(drawn),
        fold_title="Figures of every model",
    )
    return Chapter("calibrated", title, panels=[panel])


def _miscalibration(groups: list[Group]) -> float:
    rows = sum(group["num_rows"] for group in groups)
    return float(sum(abs(group["mean_error"]) * group["num_rows"] for group in groups) / rows)


def _calibration_table(model: str, one: dict[str, Any]) -> Table:
    rows = [
        {**group, "bin": f"{group['from']:.3f}–{group['to']:.3f}"} for group in one["calibration"]
    ]
    return make_table(
        model,
        rows,
        Column("bin", "Predicted", plain, is_text=True),
        _ROWS,
        Column("mean_prediction", "Mean prediction", stars),
        Column("mean_rating", "Mean rating", stars),
        _ERROR,
    )
