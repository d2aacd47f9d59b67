"""The chapter on lists: which are best, where they are good, and what they concentrate on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recspark.evaluation.lists_leaderboard import (
    Row,
    difference,
    find_not_better,
    is_not_better,
    is_tied,
)
from recspark.evaluation.lists_leaderboard import number as figure
from recspark.evaluation.variety import GENRES
from recspark.evaluation.yardstick import YARDSTICK
from recspark.page.certainty import MIN_COUNT
from recspark.page.panel import Panel
from recspark.page.tables import Column, make_table, number, percent, plain, whole
from recspark.report.chapter import Chapter
from recspark.report.leaderboards import ListsBoard
from recspark.report.list_activity import make_activity
from recspark.report.plots import draw_lists_board

_TITLES = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "precision": "Precision",
    "map": "MAP",
    "mrr": "MRR",
    "hit_rate": "Hit rate",
}


def make_lists(board: ListsBoard, *, has_test: bool) -> Chapter:
    """Return the chapter, or what to do where no lists are measured.

    Args:
        board: The leaderboard of lists.
        has_test: Whether there are test ratings to measure lists on.
    """
    title = "How good the lists are"
    if not board.rows:
        return Chapter("lists", title, missing=_why_missing(board, has_test))
    text = ""
    worse = find_not_better(board.rows)
    if worse:
        text = (
            f"Not better than {YARDSTICK}, which makes the same list for all, beyond the interval: "
            f"{', '.join(worse)}. "
        )
    if board.unmeasured:
        text += (
            "Not listed, because their current lists have not been evaluated: "
            f"{', '.join(board.unmeasured)}."
        )
    measured = [row for row in board.rows if not row["unmeasured"]]
    panels = [_board(board.rows, measured)]
    if measured:
        panels += [_lengths(measured), make_activity(measured)]
    return Chapter("lists", title, text, panels=[*panels, _variety(board.rows)])


def _why_missing(board: ListsBoard, has_test: bool) -> str:
    if not has_test:
        return "This run has no test ratings, because prepare.test_fraction is 0."
    remedy = "jobs/evaluate.py"
    if not board.unmeasured:
        remedy = "jobs/recommend.py with --recommend.models MODEL, then jobs/evaluate.py"
    return (
        "This run has no lists of current models, or they are newer than the evaluation. Run "
        f"{remedy} with the same --config."
    )


def _board(rows: Sequence[Row], measured: Sequence[Row]) -> Panel:
    k = rows[0]["k"]
    has_yardstick = any(YARDSTICK in row["versus"] for row in rows)
    return Panel(
        "lists-board",
        _heading(measured),
        f"{rows[0]['protocol']}. {_explain(rows)}",
        [
            make_table(
                "Leaderboard of lists",
                [_describe(row) for row in rows],
                Column("model", "Lists of", plain, is_text=True),
                Column("ndcg", f"NDCG@{k}", _four),
                *([Column("yardstick", f"vs {YARDSTICK}", plain)] if has_yardstick else []),
                Column("is_better", "Better", plain),
                Column("best", "vs best", plain),
                Column("tied", "Tied with best", plain),
                Column("interval", "95% interval", plain),
                Column("recall", f"Recall@{k}", _four),
                Column("map", f"MAP@{k}", _four),
                Column("num_users", "Users", whole),
                is_few=_has_few_users,
            )
        ],
        draw_lists_board(measured) if measured else None,
        is_open=True,
    )


def _heading(measured: Sequence[Row]) -> str:
    large = [row for row in measured if not _has_few_users(row)]
    if not measured:
        return "Lists cannot be measured"
    if not large:
        most = max(row["num_users"] for row in measured)
        return f"Lists of {whole(most)} users, too few for a conclusion"
    best = large[0]
    found = f"NDCG@{best['k']} {_three(best['ndcg'])} over {whole(best['num_users'])} users"
    tied = [row["model"] for row in large[1:] if is_tied(row)]
    cannot = f"; the test set cannot distinguish them from those of {', '.join(tied)}"
    if best["model"] == YARDSTICK:
        return f"No lists are better than {YARDSTICK}: {found}{cannot if tied else ''}"
    versus = best["versus"].get(YARDSTICK)
    gain = ""
    if versus:
        gain = f", {number(versus['ndcg']['difference'], '+.3f')} against {YARDSTICK}"
    return f"Lists of {best['model']} are best: {found}{gain}{cannot if tied else ''}"


def _explain(rows: Sequence[Row]) -> str:
    """Return what the lists are compared with, and why some are not."""
    reasons = "".join(
        f"Lists of {row['model']} are not measured: {row['unmeasured']}. "
        for row in rows
        if row["unmeasured"]
    )
    k, liked = rows[0]["k"], rows[0]["relevant_rating"]
    if liked is None:
        return reasons.strip()
    counted = ""
    if any(row["recommendations"] is None for row in rows):
        counted = (
            f" The run has no lists of {YARDSTICK}, so jobs/evaluate.py counted in train and valid "
            "how many users like each movie, and listed the first ones that a user had not rated."
        )
    return (
        f"{reasons}The first {k} movies of each list are compared with the movies that the user "
        f"rated {liked:g} or higher in test (evaluate.relevant_rating; if it is not set, the upper "
        "two fifths of the rating scale). A movie that the user never rated counts as not liked, "
        "so the figures are low and only useful for comparing models. Intervals and differences "
        "are those of resampled users, differences over the users whom both models list for. "
        f"Better: whether the NDCG is above that of {YARDSTICK} beyond the interval.{counted}"
    )


def _describe(row: Row) -> dict[str, Any]:
    """Return a row of the leaderboard with the texts of its cells."""
    interval, versus = row["intervals"]["ndcg"], row["versus"]
    is_better = "no" if is_not_better(row) else "yes"
    return {
        **row,
        "yardstick": _signed(row, YARDSTICK),
        "is_better": is_better if YARDSTICK in versus else None,
        "best": _signed(row, "best"),
        "tied": ("yes" if is_tied(row) else "no") if "best" in versus else None,
        "interval": f"{_four(interval[0])}–{_four(interval[1])}" if interval else None,
    }


def _signed(row: Row, other: str) -> str | None:
    return difference(row, other).replace("-", "\N{MINUS SIGN}") or None


def _lengths(measured: Sequence[Row]) -> Panel:
    lengths = sorted(one["k"] for one in measured[0]["by_length"])
    rows = [
        {"model": row["model"], **one}
        for length in lengths
        for row in measured
        for one in row["by_length"]
        if one["k"] == length
    ]
    return Panel(
        "lists-lengths",
        f"Figures at {', '.join(map(str, lengths))} movies",
        "Precision: share of the listed movies that the user liked. Recall: share of the liked "
        "movies that are listed. MRR: one divided by the rank of the first liked movie. Hit rate: "
        "share of the users with a liked movie in their list. evaluate.list_lengths names the "
        "lengths.",
        [
            make_table(
                "Figures by length",
                rows,
                Column("model", "Lists of", plain, is_text=True),
                Column("k", "Movies", whole),
                *(Column(key, title, _three) for key, title in _TITLES.items()),
            )
        ],
    )


def _variety(rows: Sequence[Row]) -> Panel:
    made_of = rows[0]["diversity_by"]
    alike = "share genres" if made_of == GENRES else "are rated by the same users"
    known = [row for row in rows if row["concentration"] is not None]
    heading = "What lists concentrate on"
    if known:
        narrow, broad = (
            pick(known, key=lambda row: row["catalogue_coverage"]) for pick in (min, max)
        )
        heading = f"Lists show {percent(broad['catalogue_coverage'])} of the catalogue at most"
        heading += f" ({broad['model']})"
        if narrow is not broad:
            heading += f", {percent(narrow['catalogue_coverage'])} at least ({narrow['model']})"
    return Panel(
        "lists-variety",
        heading,
        f"Over all lists, cut at {rows[0]['k']} movies. Coverage: share of the movies that are in "
        "some list. Concentration: Gini coefficient of how often each movie is listed, 0 if all "
        "equally often, near 1 if a few fill all lists. Novelty: how rarely the listed movies are "
        "rated, in bits. Popularity lift: mean ratings in train of the listed movies over that of "
        "the movies that people rate; above 1, lists are more popular than what people choose. "
        f"Diversity: 1 less how much the movies of a list {alike} (mean cosine of the pairs).",
        [
            make_table(
                "Figures of all lists",
                rows,
                Column("model", "Lists of", plain, is_text=True),
                Column("catalogue_coverage", "Coverage", percent),
                Column("concentration", "Concentration", _three),
                Column("novelty", "Novelty (bits)", _three),
                Column("popularity_lift", "Popularity lift", _three),
                Column("diversity", "Diversity", _three),
                Column("num_lists", "Lists", whole),
            )
        ],
    )


def _has_few_users(row: Row) -> bool:
    return bool(row["num_users"] < MIN_COUNT)


def _three(value: float | None) -> str:
    return figure(value, 3)


def _four(value: float | None) -> str:
    return figure(value, 4)
