"""The plots of a search: RMSE, or another figure, by trial and by each setting."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from recspark.config.tune import SearchRange
from recspark.page.charts import ACCENT, MAIN, SOFT, Drawing, draw, label, name_lines
from recspark.tuning.results import show_value
from recspark.tuning.space import encode
from recspark.tuning.trials import Trial

# Trials above this share of all, and twice as far from the best, would flatten the others.
_SHARE = 0.8
# Free space at each end of a range, as a share of it.
_ROOM = 0.03


def is_shown(trials: Sequence[Trial]) -> list[bool]:
    """Return which trials the plots show: those with a figure that is not far above the others."""
    found = np.array([np.nan if one.rmse is None else one.rmse for one in trials])
    low = np.nanmin(found)
    top = low + 2 * (np.nanquantile(found, _SHARE) - low)
    return [bool(shown) for shown in found <= top]


def draw_progress(trials: Sequence[Trial], figure: str) -> Drawing:
    """Return the plot of the figure by trial."""
    return draw("progress", partial(_progress, trials=trials, figure=figure))


def draw_setting(
    path: str, found: SearchRange, trials: Sequence[Trial], best: Trial, figure: str
) -> Drawing:
    """Return the plot of the figure by the value of one setting."""
    show = partial(_setting, path=path, found=found, trials=trials, best=best, figure=figure)
    return draw(path, show)


def _progress(axes: Axes, trials: Sequence[Trial], figure: str) -> None:
    shown = [one for one, keep in zip(trials, is_shown(trials), strict=True) if keep]
    _draw_points(axes, shown, np.array([one.number for one in shown], float))
    finished = [one for one in trials if one.state == "finished"]
    lowest = np.minimum.accumulate([one.rmse or 0.0 for one in finished])
    at = [one.number for one in finished]
    axes.step(
        [*at, len(trials) - 1],
        [*lowest, lowest[-1]],
        where="post",
        color=ACCENT,
        label="lowest so far",
    )
    rmses = [one.rmse for one in shown if one.rmse is not None]
    margin = 0.08 * (max(rmses) - min(rmses)) or 0.01
    axes.set_ylim(min(rmses) - margin, max(rmses) + margin)
    name_lines(axes, columns=3)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    label(axes, "Trial", f"{figure} on valid")


def _setting(
    axes: Axes, path: str, found: SearchRange, trials: Sequence[Trial], best: Trial, figure: str
) -> None:
    shown = [one for one, keep in zip(trials, is_shown(trials), strict=True) if keep]
    values = [one.settings[path] for one in shown]
    if found.choices:
        order = [encode(value) for value in found.choices]
        at = np.array([order.index(encode(value)) for value in values], float)
        axes.set_xticks(range(len(order)), [show_value(value) for value in found.choices])
        mine = float(order.index(encode(best.settings[path])))
    else:
        at, mine = np.array(values, float), float(best.settings[path])
        _set_scale(axes, found)
    _draw_points(axes, shown, at)
    axes.plot([mine], [best.rmse or 0.0], "o", color=ACCENT, markersize=9, label="best")
    name_lines(axes, columns=3)
    label(axes, path, f"{figure} on valid")


def _set_scale(axes: Axes, found: SearchRange) -> None:
    """Set the horizontal axis to a range, with room for points at its ends."""
    if not found.log:
        room = _ROOM * (found.high - found.low)
        axes.set_xlim(found.low - room, found.high + room)
        return
    room = (found.high / found.low) ** _ROOM
    axes.set_xscale("log")
    axes.set_xlim(found.low / room, found.high * room)
    is_long = found.high / found.low > 1000
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if is_long else (1, 2, 5), numticks=30))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_points(axes: Axes, trials: Sequence[Trial], at: npt.NDArray[np.float64]) -> None:
    """Draw the figure of finished trials, and in grey that of trials stopped early."""
    rmses = np.array([one.rmse for one in trials], float)
    is_finished = np.array([one.state == "finished" for one in trials], bool)
    axes.plot(at[is_finished], rmses[is_finished], "o", color=MAIN, label="finished")
    if not is_finished.all():
        early = ~is_finished
        axes.plot(at[early], rmses[early], "o", color=SOFT, alpha=0.6, label="stopped early")
