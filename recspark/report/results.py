"""The chapter of results: the leaderboard of ratings, and the members of a blend."""

from __future__ import annotations

from typing import Any

from recspark.contract.paths import BLEND
from recspark.evaluation.leaderboard import REFERENCE_MODEL, Metrics, find_worse
from recspark.page.panel import Panel
from recspark.page.tables import Column, make_table, number, percent, plain, rmse, whole
from recspark.report.chapter import Chapter
from recspark.report.inventory import Inventory
from recspark.report.leaderboards import Board, Leaderboards
from recspark.report.plots import draw_board

_MODEL = Column("model", "Model", plain, is_text=True)


def make_results(inventory: Inventory, leaderboards: Leaderboards) -> Chapter:
    """Return the chapter. Figures of different protocols are in separate tables."""
    panels = [_board(board, place) for place, board in enumerate(leaderboards.boards)]
    if BLEND in inventory.models():
        panels.append(_blend(inventory))
    text, missing = "", ""
    worse = [name for board in leaderboards.boards for name in find_worse(board.rows)]
    if worse:
        text = (
            f"Worse than {REFERENCE_MODEL}, which knows no taste, beyond the interval: "
            f"{', '.join(worse)}. "
        )
    if leaderboards.unmeasured and has_test(inventory):
        text += (
            f"Not listed, because their current predictions have not been evaluated: "
            f"{', '.join(leaderboards.unmeasured)}."
        )
    if not leaderboards.boards:
        missing = why_unmeasured(inventory)
    return Chapter("results", "Which model is best", text, missing, panels)


def has_test(inventory: Inventory) -> bool:
    """Return whether there are test ratings, or prepare has not run yet."""
    test = inventory.get("test")
    return test is None or test.num_rows > 0


def why_unmeasured(inventory: Inventory) -> str:
    """Return why no model has figures, and how to get them."""
    if not has_test(inventory):
        return (
            "This run has no test ratings, because prepare.test_fraction is 0: the models are "
            "fitted on all ratings, and nothing is left to measure them on."
        )
    return (
        "No model of this run has been evaluated. Run jobs/score.py and then jobs/evaluate.py "
        "with the same --config."
    )


def _board(board: Board, place: int) -> Panel:
    best = board.rows[0]
    tied = [row["model"] for row in board.rows[1:] if _is_tied(row)]
    heading = f"{best['model']} has the lowest RMSE, {best['rmse']:.4f}"
    if tied:
        heading += f"; the test set cannot distinguish it from {', '.join(tied)}"
    told = ""
    if board.uses_times:
        heading = f"Told when each test rating was given: {heading}"
        told = (
            " These models are told the time of each test rating, so they are not ranked with "
            "models that are not."
        )
    drawn = board.metrics[best["model"]]["bootstrap"]
    return Panel(
        name="leaderboard" if not place else f"leaderboard-{place + 1}",
        heading=heading,
        text=f"{board.protocol} ({whole(best['num_rows'])} test ratings).{told} Intervals hold "
        f"{drawn['level']:.0%} of {drawn['resamples']} resamples of the users. “vs” is the "
        "difference in RMSE over the same resamples, ± half the width of its interval. A model is "
        "tied with the best if that interval contains 0. Where a model has no prediction (see "
        "coverage), a fallback predicts, and the rating counts like all others. Seconds include "
        "fitting and scoring.",
        tables=[
            make_table(
                "Leaderboard",
                [_describe(row) for row in board.rows],
                _MODEL,
                Column("rmse", "RMSE", rmse),
                # The most important columns come first, because a phone shows only those.
                *(
                    [Column("reference", f"vs {REFERENCE_MODEL}", plain)]
                    if any(REFERENCE_MODEL in row["versus"] for row in board.rows)
                    else []
                ),
                Column("best", "vs best", plain),
                Column("tied", "Tied with best", plain),
                Column("interval", "95% interval", plain),
                Column("mae", "MAE", rmse),
                Column("coverage", "Coverage", percent),
                Column("num_fallbacks", "Fallbacks", whole),
                Column("seconds", "Seconds", lambda value: number(value, ",.1f")),
            )
        ],
        drawing=draw_board(board.rows),
        is_open=True,
    )


def _describe(row: Metrics) -> Metrics:
    """Return a row of the leaderboard with the texts of its cells."""
    low, high = row["rmse_interval"]
    is_best = "best" not in row["versus"]
    return {
        **row,
        "reference": _difference(row, REFERENCE_MODEL),
        "best": _difference(row, "best"),
        "tied": None if is_best else "yes" if _is_tied(row) else "no",
        "interval": f"{rmse(low)}–{rmse(high)}",
    }


def _is_tied(row: Metrics) -> bool:
    return bool(row["versus"].get("best", {}).get("is_tie"))


def _difference(row: Metrics, other: str) -> str | None:
    versus = row["versus"].get(other)
    if versus is None:
        return None
    half = (versus["high"] - versus["low"]) / 2
    return f"{number(versus['difference'], '+.4f')} ±{rmse(half)}"


def _say_dropped(members: list[dict[str, Any]]) -> str:
    """Return which members the blend does without, and how little they gained."""
    if not members:
        return ""
    named = ", ".join(f"{one['model']} ({number(one['gain'], '+.4f')})" for one in members)
    return f" Dropped, because they gained too little or did harm: {named}."


def _blend(inventory: Inventory) -> Panel:
    card = inventory.models()[BLEND].counts
    return Panel(
        "blend",
        f"The blend of {len(card['members'])} models",
        f"A ridge regression on the {whole(card['valid_rows'])} ratings of valid, with a "
        f"cross-validated RMSE of {card['valid_rmse']:.4f} there. Gain: how much higher the RMSE "
        "of the blend is without the member. It has no interval." + _say_dropped(card["dropped"]),
        [
            make_table(
                "Members",
                card["members"],
                _MODEL,
                Column("weight", "Weight", lambda value: number(value, "+.3f")),
                Column("valid_rmse", "RMSE alone", rmse),
                Column("gain", "Gain (RMSE)", lambda value: number(value, "+.4f")),
            )
        ],
    )
