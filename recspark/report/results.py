"""The chapter of results: leaderboard, top-N lists, what a blend is made of."""

from __future__ import annotations

from recspark.blend.card import BLEND
from recspark.evaluation.leaderboard import HEADER, cells
from recspark.page.panel import Panel
from recspark.page.tables import Column, Table, make_table, percent, plain, rmse, whole
from recspark.report.chapter import Chapter
from recspark.report.inventory import Inventory
from recspark.report.leaderboards import Board, Measured
from recspark.report.plots import draw_board

_MODEL = Column("model", "Model", plain, is_text=True)


def make_results(inventory: Inventory, measured: Measured) -> Chapter:
    """Return the chapter; figures of different protocols are in tables of their own."""
    panels = [_board(board, number) for number, board in enumerate(measured.boards)]
    if measured.main is not None:
        panels.append(_lists(measured.main))
    if BLEND in inventory.models():
        panels.append(_blend(inventory))
    text, missing = "", ""
    if measured.unmeasured:
        text = (
            f"Not listed, for want of figures of their present predictions: "
            f"{', '.join(measured.unmeasured)}."
        )
    if not measured.boards:
        missing = (
            "No model of this run is measured. Run jobs/score.py and then jobs/evaluate.py with "
            "the same --config."
        )
    return Chapter("results", "Which model is best", text, missing, panels)


def _board(board: Board, number: int) -> Panel:
    best = board.rows[0]
    tied = [row["model"] for row in board.rows[1:] if row["versus"]["best"]["is_tie"]]
    heading = f"{best['model']} has the lowest RMSE, {best['rmse']:.4f}"
    if tied:
        heading += f"; the test does not tell it apart from {', '.join(tied)}"
    drawn = board.metrics[best["model"]]["bootstrap"]
    return Panel(
        name="leaderboard" if not number else f"leaderboard-{number + 1}",
        heading=heading,
        text=f"{board.protocol} ({whole(best['num_rows'])} test ratings). Intervals are "
        f"{drawn['level']:.0%} of {drawn['resamples']} resamples of the users; “vs” is the "
        "difference of RMSE over the same resamples, and = marks a difference whose interval holds "
        "0. Ratings that a model could not predict (coverage) are answered by a fallback and count "
        "like all others. Seconds are of fitting and scoring.",
        tables=[
            Table(
                "Leaderboard",
                tuple(
                    Column(name, name[:1].upper() + name[1:], plain, is_text=not place)
                    for place, name in enumerate(HEADER)
                ),
                [list(cells(row)) for row in board.rows],
            )
        ],
        drawing=draw_board(board.rows),
        is_open=True,
    )


def _lists(board: Board) -> Panel:
    rows = [{"model": row["model"], **row["top_n"]} for row in board.rows if row.get("top_n")]
    if not rows:
        return Panel(
            "top-n",
            "Top-N lists are not measured",
            "How much of what users liked in test their lists hold.",
            missing="This run has no lists that evaluate saw. Run jobs/recommend.py with "
            "--recommend.models MODEL, then jobs/evaluate.py, both with the same --config.",
        )
    best = max(rows, key=lambda row: row["ndcg"])
    k, liked = rows[0]["k"], rows[0]["relevant_rating"]
    return Panel(
        "top-n",
        f"Lists of {best['model']} hold most of what users liked: NDCG {best['ndcg']:.3f}",
        f"The first {k} of each list against the movies that its user rated {liked:g} or higher in "
        "test. A movie that was never rated counts as not liked, so the figures are low, and only "
        "good for comparing. Catalogue: share of the movies that are in some list. Novelty: how "
        "rarely rated the listed movies are, in bits.",
        [
            make_table(
                "Top-N figures",
                rows,
                _MODEL,
                *(
                    Column(key, title, _three)
                    for key, title in (
                        ("ndcg", f"NDCG@{k}"),
                        ("precision", f"Precision@{k}"),
                        ("recall", f"Recall@{k}"),
                        ("map", f"MAP@{k}"),
                    )
                ),
                Column("catalogue_coverage", "Catalogue", percent),
                Column("novelty", "Novelty (bits)", lambda value: f"{value:.2f}"),
                Column("num_users", "Users", whole),
            )
        ],
    )


def _blend(inventory: Inventory) -> Panel:
    card = inventory.models()[BLEND].counts
    return Panel(
        "blend",
        f"The blend of {len(card['members'])} models",
        f"A ridge regression on the {whole(card['valid_rows'])} ratings of valid (RMSE "
        f"{card['valid_rmse']:.4f} there, cross-validated). Gain: how much worse the blend is "
        "without the member.",
        [
            make_table(
                "Members",
                card["members"],
                _MODEL,
                Column("weight", "Weight", lambda value: f"{value:+.3f}"),
                Column("valid_rmse", "RMSE alone", rmse),
                Column("gain", "Gain (RMSE)", lambda value: f"{value:+.4f}"),
            )
        ],
    )


def _three(value: float) -> str:
    return f"{value:.3f}"
