"""How every plot looks: one SVG text per plot and width, coloured by the page's style sheet.

matplotlib draws with stand-in colours, which then become CSS variables: so one drawing serves
light and dark pages, and text stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

# Stand-ins; the names are CSS variables of base.html.
INK, GRID, MAIN, ACCENT, SOFT = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {INK: "--ink", GRID: "--grid", MAIN: "--main", ACCENT: "--accent", SOFT: "--soft"}

# Width and height in points; the text keeps its size, so that it can be read on a phone.
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

# What puts the marks of one plot on its axes.
Marks = Callable[[Axes], None]


@dataclass(frozen=True)
class Drawing:
    """One plot as `<svg>` text: for wide and for narrow screens, or the same for both."""

    narrow: str
    wide: str | None = None


def draw(name: str, marks: Marks, height: int | None = None) -> Drawing:
    """Return the plot for wide and for narrow screens.

    Args:
        name: Short name of the plot, unique on the page; it keeps the ids inside apart.
        marks: What to draw.
        height: In points, where it depends on what is drawn.
    """
    return Drawing(
        wide=_draw_svg(f"{name}-wide", marks, (WIDE[0], height or WIDE[1])),
        narrow=_draw_svg(f"{name}-narrow", marks, (NARROW[0], height or NARROW[1])),
    )


def draw_small(name: str, marks: Marks) -> Drawing:
    """Return the plot for half the width of a wide screen, which is that of a narrow one."""
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
    return _to_inline(buffer.getvalue())


def _to_inline(svg: str) -> str:
    """Return the bare `<svg>` element, sized by the page, its colours by CSS variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    # Only ids that are referred to stay: they are hashes of content and plot name.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return svg


def label(axes: Axes, x: str, y: str) -> None:
    """Name both axes, with units."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def name_lines(axes: Axes, columns: int = 2) -> None:
    """Put the legend above the axes, where it hides no mark."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=columns)


def use_short_numbers(axes: Axes, axis: str = "y") -> None:
    """Write an axis' numbers as 20 k or 1.5 M."""
    getattr(axes, f"{axis}axis").set_major_formatter(EngFormatter(sep=" "))


# Points of a letter in a small text, and the height of one.
_LETTER, _LINE = 5.0, 10.0
_SMALL = 8.5
# Share of the plot's height that the bars of counts take at most.
_STRIP = 0.16


def draw_counts(axes: Axes, at: Sequence[float], counts: Sequence[int], unit: str) -> None:
    """Show how much stands behind each group: grey bars below the marks, with numbers that fit.

    Called last, when the marks are drawn and the axes named.

    Args:
        axes: Where the marks are.
        at: Where each group is on the horizontal axis, rising.
        counts: How many of `unit` each group has.
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
    told = f"Grey bars: {unit}"
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
        told += f", from {short(min(counts))} to {short(max(counts))}"
    axes.set_xlabel(f"{axes.get_xlabel()}\n{told}")


def short(value: float) -> str:
    """Return a count as on an axis: 871, 20 k, 1.5 M."""
    return EngFormatter(places=None if value < 1000 else 1, sep=" ")(value).replace(".0 ", " ")
