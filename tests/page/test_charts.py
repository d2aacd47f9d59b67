"""Counts below the marks of a plot: with numbers while these fit, and never beside the marks."""

from __future__ import annotations

import re
from functools import partial

from matplotlib.axes import Axes

from recspark.page.charts import draw_counts, draw_small, label, short


def plot(num_groups: int) -> list[str]:
    """Return the texts of a plot of so many groups, each of 250 things and more."""

    def marks(axes: Axes, num_groups: int) -> None:
        at = list(range(num_groups))
        axes.plot(at, [1 + place % 2 for place in at])
        label(axes, "Group", "Figure")
        draw_counts(axes, at, [250 + place for place in at], "things")

    svg = draw_small("p", partial(marks, num_groups=num_groups)).narrow
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_every_count_is_on_the_plot_while_there_is_room() -> None:
    for num_groups in (2, 8, 24):
        texts = plot(num_groups)
        assert all(str(250 + place) in texts for place in range(num_groups)), num_groups
        assert "Grey bars: things" in texts


def test_where_there_is_none_their_range_is_told() -> None:
    texts = plot(100)
    assert "Grey bars: things, from 250 to 349" in texts
    assert "300" not in texts


def test_the_strip_of_counts_has_no_figures_of_the_marks() -> None:
    texts = plot(2)
    ticks = [float(text) for text in texts[texts.index("Grey bars: things") :] if "." in text]
    assert len(ticks) > 3
    assert min(ticks) >= 0.95


def test_short_counts() -> None:
    assert [short(count) for count in (0, 41, 871, 1000, 1391, 20_000, 1_500_000)] == [
        *("0", "41", "871", "1 k", "1.4 k", "20 k", "1.5 M")
    ]
