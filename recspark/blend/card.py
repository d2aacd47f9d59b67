"""The model card of a blend: `models/blend/model.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recspark.blend import ridge
from recspark.blend.select import select_members
from recspark.contract.paths import BLEND


def make_card(
    members: Sequence[str], folds: ridge.FloatArray, *, mean: float, reg: float | None
) -> dict[str, Any]:
    """Fit the blend and return its card.

    `gain` of a member is the rise of the blend's cross-validated RMSE on valid without that member
    (rating units). `dropped` are the members that gained too little, see `select_members`. Trained
    members stopped early by the same ratings, so their RMSE here is slightly better than on unseen
    ratings.

    Args:
        members: [M], names.
        folds: [F, M + 2, M + 2], sums of products over valid by fold of users.
        mean: What was subtracted from predictions and ratings.
        reg: L2 weight per rating; None chooses it by cross-validation.

    Returns:
        prediction = intercept + Σ weight · prediction of the member.
    """
    selection = select_members(folds, reg)
    kept = ridge.with_members(folds, selection.kept)
    *weights, constant = ridge.solve(kept.sum(axis=0), selection.reg).tolist()

    def gain(place: int) -> float:
        others = [one for one in range(len(weights)) if one != place]
        without = ridge.with_members(kept, others)
        return ridge.cross_validate(without, selection.reg) - selection.rmse

    return {
        "algorithm": BLEND,
        "reg": selection.reg,
        "intercept": constant + mean * (1 - float(np.sum(weights))),
        "valid_rows": int(folds.sum(axis=0)[-2, -2]),
        "valid_rmse": selection.rmse,
        "members": [
            {
                "model": members[position],
                "weight": weight,
                "valid_rmse": ridge.member_rmse(folds, position),
                "gain": gain(place),
            }
            for place, (position, weight) in enumerate(zip(selection.kept, weights, strict=True))
        ],
        "dropped": [
            {
                "model": members[position],
                "valid_rmse": ridge.member_rmse(folds, position),
                "gain": gain_then,
            }
            for position, gain_then in selection.dropped
        ],
    }
