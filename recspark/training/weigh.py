"""Turns ratings into what models that rank learn from: the weights that `signal` gives them."""

from __future__ import annotations

import torch

from recspark.datasets.signal import Signal
from recspark.training.batches import Ratings

# Ratings weighed at a time.
_PIECE = 1 << 22


def weigh(found: Ratings, signal: Signal) -> Ratings:
    """Return the ratings with their weights instead; those that weigh 0 are left out.

    `found` is overwritten.
    """
    for part in found.ratings.split(_PIECE):
        part.copy_(torch.from_numpy(signal.weigh(part.cpu().numpy())))
    is_kept = found.ratings > 0
    return found if bool(is_kept.all()) else Ratings(found.packed[is_kept])
