"""Which members a blend keeps: those without which its cross-validated RMSE would rise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recspark.blend import ridge
from recspark.blend.ridge import FloatArray

MIN_GAIN = 1e-4
"""What a member must take off the RMSE (rating units): the last digit that leaderboards show.

Not the interval of its gain: on a small valid that is wider than what most members bring, and they
would all go, one after another. Ridge weights already shrink what the data do not support."""

# Beyond these, a difference of RMSE is rounding.
_DIGITS = 9


@dataclass(frozen=True)
class Selection:
    """The members of a blend, by their positions among those named."""

    kept: tuple[int, ...]
    """Ascending."""
    dropped: tuple[tuple[int, float], ...]
    """Position and gain of each dropped member, in the order of dropping. Its gain is how much
    higher the RMSE was without it, with the members there were then; below 0 it did harm."""
    reg: float
    """L2 weight for those kept."""
    rmse: float
    """Cross-validated RMSE of those kept."""


def select_members(folds: FloatArray, reg: float | None) -> Selection:
    """Return the members that are left after those that gain too little have been dropped.

    Members cover for each other, so one at a time goes, and the others are measured again. Of two
    that are as useful the one named later goes. One is always left.

    Args:
        folds: [F, M + 2, M + 2], see `ridge`.
        reg: L2 weight per rating; None chooses it again for each set of members.
    """
    kept = list(range(folds.shape[1] - 2))
    dropped: list[tuple[int, float]] = []
    chosen, rmse = _validate(folds, kept, reg)
    while len(kept) > 1:
        without = {one: [other for other in kept if other != one] for one in kept}
        rmse_without = {one: _validate(folds, without[one], reg)[1] for one in kept}
        least = min(kept, key=lambda one: (round(rmse_without[one], _DIGITS), -one))
        smaller = _validate(folds, without[least], reg)
        gain = smaller[1] - rmse
        if gain >= MIN_GAIN:
            break
        dropped.append((least, gain))
        kept, (chosen, rmse) = without[least], smaller
    return Selection(tuple(kept), tuple(dropped), chosen, rmse)


def _validate(folds: FloatArray, members: Sequence[int], reg: float | None) -> tuple[float, float]:
    """Return the L2 weight for some members, and their cross-validated RMSE with it."""
    some = ridge.with_members(folds, members)
    chosen = ridge.choose_reg(some) if reg is None else reg
    return chosen, ridge.cross_validate(some, chosen)
