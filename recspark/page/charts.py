"""The style of all plots: one SVG text per plot and width, coloured by the page's style sheet.

matplotlib draws with placeholder colours, which are then replaced by CSS variables. So one drawing
serves light and dark pages, and text stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from recspark.redact import CONTROLS

# Placeholder colours, and the CSS variables of base.html that replace them.
INK, GRID, MAIN, ACCENT, SOFT = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {INK: "--ink", GRID: "--grid", MAIN: "--main", ACCENT: "--accent", SOFT: "--soft"}

Floats = npt.NDArray[Any]

# Width and height in points. Text has the same size in both, so that it is legible on a phone.
WIDE, NARROW = (760, 290), (370, 270)

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "text.parse_math": False,
}

# A function that draws the marks of one plot on its axes.
Marks = Callable[[Axes], None]


@dataclass(frozen=True)
class Drawing:
    """One plot as `<svg>` text, for wide and for narrow screens, or one for both."""

    narrow: str
    wide: str | None = None


def draw(name: str, marks: Marks, height: int | None = None) -> Drawing:
    """Return the plot for wide and for narrow screens.

    Args:
        name: Short name of the plot. It must be unique on the page, because ids depend on it.
        marks: Draws the marks.
        height: Height in points, if it depends on the marks.
    """
    return Drawing(
        wide=_draw_svg(f"{name}-wide", marks, (WIDE[0], height or WIDE[1])),
        narrow=_draw_svg(f"{name}-narrow", marks, (NARROW[0], height or NARROW[1])),
    )


def draw_small(name: str, marks: Marks) -> Drawing:
    """Return the plot in one size, for narrow screens and for half the width of a wide screen."""
    return Drawing(narrow=_draw_svg(name, marks, NARROW))


def _draw_svg(name: str, marks: Marks, size: tuple[int, int]) -> str:
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        marks(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _to_inline(CONTROLS.sub("\N{REPLACEMENT CHARACTER}", buffer.getvalue()))


def _to_inline(svg: str) -> str:
    """Return the bare `<svg>` element without a size and with CSS variables as colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    # Keep only ids that are referenced. They are hashes of content and plot name.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return svg


def label(axes: Axes, x: str, y: str) -> None:
    """Label both axes, with units."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def name_lines(axes: Axes, columns: int = 2) -> None:
    """Put the legend above the axes, where it does not hide any marks."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=columns)


def use_short_numbers(axes: Axes, axis: str = "y") -> None:
    """Format the numbers of an axis as 20 k or 1.5 M."""
    getattr(axes, f"{axis}axis").set_major_formatter(EngFormatter(sep=" "))


# Width of a letter and height of a line of small text, in points.
_LETTER, _LINE = 5.0, 10.0
_SMALL = 8.5
# Maximum height of the bars of counts, as a share of the plot's height.
_STRIP = 0.16


def draw_estimates(
    axes: Axes,
    at: Floats,
    values: Floats,
    errors: Floats,
    few: npt.NDArray[np.bool_],
    *,
    color: str,
    marker_size: float,
    name: str | None = None,
) -> None:
    """Draw values as a line with error bars, and those of groups too small to tell in grey.

    Args:
        axes: Where to draw.
        at: Positions, [groups].
        values: [groups]
        errors: Half the width of each interval, [groups].
        few: Which groups are too small, [groups].
        color: Of the line.
        marker_size: Of its marks (points).
        name: Of the line in the legend.
    """
    axes.plot(at[few], values[few], "o", color=SOFT, markersize=4, alpha=0.8)
    axes.errorbar(
        at[~few],
        values[~few],
        yerr=errors[~few],
        color=color,
        marker="o",
        markersize=marker_size,
        capsize=2.5,
        elinewidth=1,
        label=name,
    )


def draw_counts(axes: Axes, at: Sequence[float], counts: Sequence[int], unit: str) -> None:
    """Show the size of each group as grey bars below the marks, with numbers if they fit.

    Call this last, after drawing the marks and labelling the axes.

    Args:
        axes: Axes with the marks.
        at: Positions of the groups on the horizontal axis, ascending.
        counts: Size of each group.
        unit: What is counted.
    """
    texts = [short(count) for count in counts]
    longest = _LETTER * (1 + max(map(len, texts)))
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    room = 72 * figure.get_figwidth() * 0.84 / max(len(counts), 1)
    is_level, is_upright = room >= longest, room >= _LINE
    low, high = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= high])
    axes.set_ylim(low - (0.3 if is_level else 0.42) * (high - low), high)
    strip = axes.twinx()
    width = 0.8 * (float(np.diff(at).min()) if len(at) > 1 else 1.0)
    bars = strip.bar(at, counts, width=width, color=GRID)
    strip.set_ylim(0, max(counts) / _STRIP)
    strip.set_axis_off()
    axes.set_zorder(strip.get_zorder() + 1)
    caption = f"Grey bars: {unit}"
    if is_level or is_upright:
        strip.bar_label(
            bars,
            texts,
            padding=1.5,
            fontsize=_SMALL if is_level else _SMALL - 1,
            color=SOFT,
            rotation=0 if is_level else 90,
        )
    else:
        caption += f", from {short(min(counts))} to {short(max(counts))}"
    axes.set_xlabel(f"{axes.get_xlabel()}\n{caption}")


def short(value: float) -> str:
    """Return a count in the short form of an axis: 871, 20 k, 1.5 M."""
    return EngFormatter(places=None if value < 1000 else 1, sep=" ")(value).replace(".0 ", " ")
