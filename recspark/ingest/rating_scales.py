"""Which ratings a layout allows; checks a single text or a column of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.ingest import parsed as r

_NUMBER = re.compile(rb"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Scale:
    """Numbers from `lowest` to `highest`; if `step` is set, only its multiples.

    Attributes:
        lowest: Smallest rating allowed.
        highest: Largest rating allowed.
        step: Distance between neighbouring ratings, a power of two; None allows any number.
        reason: Why any other text is refused.
    """

    lowest: float
    highest: float
    step: float | None
    reason: str

    def parse(self, field: bytes) -> float | None:
        """Return the rating that a text names, or None."""
        text = field.strip()
        if not _NUMBER.fullmatch(text):
            return None
        value = float(text)
        if not self.lowest <= value <= self.highest or (self.step and value % self.step):
            return None
        return value

    def holds(self, values: npt.NDArray[np.float64]) -> bool:
        """Return whether all numbers are allowed; NaN is not."""
        if not ((values >= self.lowest) & (values <= self.highest)).all():
            return False
        return self.step is None or bool((values % self.step == 0).all())


WHOLE_STARS = Scale(1, 5, 1, r.BAD_RATING)
HALF_STARS = Scale(0.5, 5, 0.5, r.BAD_HALF_RATING)
ANY_NUMBER = Scale(-_LARGEST, _LARGEST, None, r.BAD_NUMBER)
