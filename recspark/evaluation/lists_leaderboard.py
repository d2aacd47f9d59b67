"""The lists of a run's models side by side, best first, with popularity as their yardstick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recspark.evaluation.yardstick import YARDSTICK

# A row of lists.json: model, protocol, recommendations, and recspark.evaluation.top_n's figures.
Row = dict[str, Any]

TIE, NOT_BETTER = "=", "!"
_NOTES = {
    TIE: "tied with the best: the interval of the difference contains 0",
    NOT_BETTER: f"not better than {YARDSTICK} beyond the interval: the same list for all serves as "
    "well",
}


def rank_lists(rows: Sequence[Row]) -> list[Row]:
    """Return the rows ordered by NDCG, the highest first, then by name; unmeasured ones last."""
    return sorted(
        rows,
        key=lambda one: (one["ndcg"] is None, -(one["ndcg"] or 0.0), one["model"]),
    )


def is_not_better(row: Row) -> bool:
    """Return whether a model's NDCG is not above popularity's beyond the interval."""
    versus = row["versus"].get(YARDSTICK)
    return versus is not None and versus["ndcg"]["low"] <= 0


def is_tied(row: Row) -> bool:
    """Return whether the test set cannot tell a model's NDCG from the best one's."""
    versus = row["versus"].get("best")
    return versus is not None and versus["ndcg"]["is_tie"]


def find_not_better(rows: Sequence[Row]) -> list[str]:
    """Return the models whose lists are not better than popularity's beyond the interval."""
    return [row["model"] for row in rows if is_not_better(row)]


def render_lists(rows: Sequence[Row]) -> str:
    """Return the leaderboard of lists as plain text: header, rule, one line a model, notes.

    Args:
        rows: Rows of `rank_lists`, at least one.
    """
    k = rows[0]["k"]
    header = (
        *("lists of", f"NDCG@{k}", "", "95% interval", "vs best", f"vs {YARDSTICK}"),
        *(f"recall@{k}", f"MAP@{k}", "coverage", "novelty", "concentration"),
    )
    table = [header, *(cells(one) for one in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]
    lines.insert(1, "-" * len(lines[0]))
    lines += sorted({f"{one['protocol']} ({one['num_users']:,} users)" for one in rows})
    marks = "".join(cells(one)[2] for one in rows)
    lines += [f"{mark} {note}" for mark, note in _NOTES.items() if mark in marks]
    reasons = {one["unmeasured"]: one["model"] for one in rows if one["unmeasured"]}
    lines += [f"lists of {model} are not measured: {why}" for why, model in reasons.items()]
    return "\n".join(lines)


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as texts, one per column of the table."""
    low_high = row["intervals"]["ndcg"]
    return (
        row["model"],
        number(row["ndcg"], 4),
        TIE * is_tied(row) + NOT_BETTER * is_not_better(row),
        f"{low_high[0]:.4f}–{low_high[1]:.4f}" if low_high else "",
        difference(row, "best"),
        difference(row, YARDSTICK),
        number(row["recall"], 4),
        number(row["map"], 4),
        f"{row['catalogue_coverage']:.1%}",
        number(row["novelty"], 2),
        number(row["concentration"], 3),
    )


def number(value: float | None, digits: int) -> str:
    """Return a figure, or a dash if it is missing."""
    return "–" if value is None else f"{value:.{digits}f}"


def difference(row: Row, other: str, on: str = "ndcg") -> str:
    """Return e.g. `+0.0281 ±0.0040`, half the interval's width after the difference."""
    versus = row["versus"].get(other)
    if versus is None:
        return ""
    half = (versus[on]["high"] - versus[on]["low"]) / 2
    return f"{versus[on]['difference']:+.4f} ±{half:.4f}"
