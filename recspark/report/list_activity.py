"""How good lists are by the activity of the user, for the chapter on lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from recspark.evaluation.lists_leaderboard import Row
from recspark.evaluation.lists_leaderboard import number as figure
from recspark.evaluation.yardstick import YARDSTICK
from recspark.page.certainty import quantile
from recspark.page.panel import Panel
from recspark.page.tables import Column, make_table, plain, whole
from recspark.report.plots import Line, draw_slice

MIN_USERS = 30
"""Groups of fewer users are grey: the normal distribution does not yet serve for their mean."""


def make_activity(measured: Sequence[Row]) -> Panel:
    """Return how good lists are by activity: a plot of the best model and popularity, and a table.

    Args:
        measured: Measured rows of the leaderboard of lists, best first.
    """
    best = next((row for row in measured if row["model"] != YARDSTICK), measured[0])
    drawn = [best, *(row for row in measured if row["model"] == YARDSTICK and row is not best)]
    groups = {_span(group): group for row in drawn for group in row["by_activity"]}
    names = sorted(groups, key=lambda name: groups[name]["from"])
    by_model = {row["model"]: {_span(one): one for one in row["by_activity"]} for row in measured}
    mine = by_model[best["model"]]
    rows = [
        {
            " name": name,
            " users": mine[name]["num_users"] if name in mine else 0,
            " half": _half(mine.get(name)),
            **{model: found.get(name, {}).get("ndcg") for model, found in by_model.items()},
        }
        for name in names
    ]
    k = best["k"]
    return Panel(
        "lists-activity",
        _activity_heading(best, mine, by_model.get(YARDSTICK, {})),
        f"NDCG@{k} by the user's ratings in train, with 95% intervals from the spread over the "
        f"users of a group. The table shows every model. Grey: fewer than {MIN_USERS} users.",
        [
            make_table(
                f"NDCG@{k} of every model",
                rows,
                Column(" name", "Ratings in train", plain, is_text=True),
                Column(" users", "Users", whole),
                *(Column(model, model, _three) for model in by_model),
                Column(" half", f"± 95% of {best['model']}", _three),
                is_few=lambda row: row[" users"] < MIN_USERS,
            )
        ],
        draw_slice(
            "lists-activity",
            [whole(groups[name]["from"]) for name in names],
            [mine[name]["num_users"] if name in mine else 0 for name in names],
            {row["model"]: _line(by_model[row["model"]], names) for row in drawn},
            "Ratings of the user in train (this many or more)",
            figure=f"NDCG@{k}",
            unit="users",
            is_alone=True,
        ),
    )


def _activity_heading(best: Row, mine: dict[str, Any], popular: dict[str, Any]) -> str:
    large = {name: one for name, one in mine.items() if one["num_users"] >= MIN_USERS}
    if len(large) < 2:
        return "By users’ ratings in train: too few users to compare groups"
    low, high = (pick(large, key=lambda name: large[name]["ndcg"]) for pick in (min, max))
    text = (
        f"By users’ ratings in train: NDCG@{best['k']} of {best['model']} "
        f"{_three(large[low]['ndcg'])} at {low}, {_three(large[high]['ndcg'])} at {high}"
    )
    apart = quantile(len(large)) * math.hypot(_error(large[low]), _error(large[high]))
    if large[high]["ndcg"] - large[low]["ndcg"] <= apart:
        text += "; that may be chance"
    below = [
        name
        for name, one in large.items()
        if name in popular and one["ndcg"] < popular[name]["ndcg"]
    ]
    if len(below) == len(large):
        return f"{text}; below {YARDSTICK} in every group"
    return f"{text}; below {YARDSTICK} at {', '.join(below)}" if below else text


def _span(group: dict[str, Any]) -> str:
    low, high = group["from"], group["to"]
    return whole(low) if low == high else f"{whole(low)}–{whole(high)}"


def _error(group: dict[str, Any]) -> float:
    """Return the standard error of a group's NDCG."""
    return float(group["ndcg_std"] / math.sqrt(group["num_users"]))


def _half(group: dict[str, Any] | None) -> float | None:
    return quantile() * _error(group) if group else None


def _line(found: dict[str, Any], names: Sequence[str]) -> Line:
    groups = [found.get(name) for name in names]
    return Line(
        [group["ndcg"] if group else math.nan for group in groups],
        [_half(group) or 0.0 for group in groups],
        [group is None or group["num_users"] < MIN_USERS for group in groups],
    )


def _three(value: float | None) -> str:
    return figure(value, 3)
