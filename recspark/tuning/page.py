"""The page of a search, made from its trials alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recspark.page.panel import Panel
from recspark.page.render import render
from recspark.page.tables import Column, Table, make_table, number, plain, rmse, whole
from recspark.tuning.plots import draw_progress, draw_setting, is_shown
from recspark.tuning.results import short_name, show_value
from recspark.tuning.space import Space
from recspark.tuning.trials import RMSE, Trial, find_best, sort_by_rmse

_SECONDS = Column("seconds", "Seconds", lambda value: number(value, ".1f"))


def render_page(name: str, space: Space, trials: Sequence[Trial], figure: str = RMSE) -> str:
    """Return the HTML text; it has no script and loads nothing.

    Args:
        name: The model.
        space: What was searched.
        trials: All trials, one of them finished.
        figure: Name of what was to be low.
    """
    best = find_best(trials)
    assert best is not None
    panels = [_progress(trials, best, figure)]
    panels += [_setting(path, space, trials, figure) for path in space]
    table = _table(space, trials, figure)
    panels.append(Panel("trials", f"All {len(trials)} trials", _count_states(trials), [table]))
    return render(
        "tuning/page.html",
        name=name,
        navigation=[(panel.name, panel.name.replace("_", " ").capitalize()) for panel in panels],
        facts=_list_facts(trials, best, figure),
        figure=figure,
        panels=panels,
    )


def _list_facts(trials: Sequence[Trial], best: Trial, figure: str) -> list[tuple[str, str]]:
    return [
        (f"Best {figure} on valid", rmse(best.rmse)),
        ("In trial", plain(best.number)),
        ("Of the preset (trial 0)", rmse(trials[0].rmse)),
        ("Trials", whole(len(trials))),
        ("Seconds of all trials", whole(sum(one.seconds for one in trials))),
    ]


def _progress(trials: Sequence[Trial], best: Trial, figure: str) -> Panel:
    first = trials[0]
    heading = f"Trial {best.number} is the best of {len(trials)}: {figure} {rmse(best.rmse)}"
    if best.number == 0:
        heading = f"No trial was better than the preset: {figure} {rmse(best.rmse)}"
    elif first.state == "finished" and first.rmse is not None and best.rmse is not None:
        heading += f", {first.rmse - best.rmse:.4f} below the preset"
    return Panel(
        "progress",
        heading,
        f"The {figure} of each trial in the order of their starts, and the lowest so far. Grey: "
        f"trials that were stopped early. {_count_hidden(trials)}",
        drawing=draw_progress(trials, figure),
    )


def _setting(path: str, space: Space, trials: Sequence[Trial], figure: str) -> Panel:
    best = find_best(trials)
    assert best is not None
    found = space[path]
    tried = ", ".join(map(show_value, found.choices)) or (
        f"{show_value(found.low)} to {show_value(found.high)}{', log scale' if found.log else ''}"
    )
    near = [show_value(one.settings[path]) for one in sort_by_rmse(trials)[:3]]
    return Panel(
        short_name(path),
        f"{path}: best at {show_value(best.settings[path])}",
        f"Tried: {tried}. The best three trials have {', '.join(near)}. Where low points lie all "
        "along the axis, the setting matters little; where they lie at an end, widen the range.",
        drawing=draw_setting(path, found, trials, best, figure),
    )


def _table(space: Space, trials: Sequence[Trial], figure: str) -> Table:
    records: list[dict[str, Any]] = [
        {
            "trial": one.number,
            "rmse": one.rmse,
            "state": one.state,
            "epochs": len(one.curve) or None,
            "seconds": one.seconds,
            "error": one.error or None,
            **{path: show_value(one.settings[path]) for path in space},
        }
        for one in sort_by_rmse(trials)
    ]
    columns = [
        Column("trial", "Trial", whole),
        Column("rmse", f"{figure} on valid", rmse),
        Column("state", "State", plain, is_text=True),
        Column("epochs", "Epochs", plain),
        _SECONDS,
        *(Column(path, short_name(path), plain) for path in space),
    ]
    if any(one.error for one in trials):
        columns.append(Column("error", "Error", plain, is_text=True))
    return make_table(
        "Trials, best first", records, *columns, is_few=lambda row: row["state"] != "finished"
    )


def _count_states(trials: Sequence[Trial]) -> str:
    counts = {
        words: sum(one.state == state for one in trials)
        for state, words in (
            ("finished", "finished"),
            ("pruned", "were stopped early"),
            ("failed", "failed"),
        )
    }
    return ", ".join(f"{count} {words}" for words, count in counts.items() if count) + "."


def _count_hidden(trials: Sequence[Trial]) -> str:
    hidden = sum(not shown for shown in is_shown(trials))
    return f"{hidden} far worse or failed trials are only in the table." if hidden else ""
