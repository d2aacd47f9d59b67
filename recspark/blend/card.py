"""The model card of a blend: `models/blend/model.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recspark.blend import ridge

BLEND = "blend"
"""Name of the blend among the models of a run."""


def make_card(
    members: Sequence[str], folds: ridge.FloatArray, *, mean: float, reg: float | None
) -> dict[str, Any]:
    """Fit the blend and return its card.

    `gain` of a member is the rise of the blend's cross-validated RMSE on valid without that member
    (rating units). Near or below 0, the other members make it redundant. Trained members stopped
    early by the same ratings, so their RMSE here is slightly better than on unseen ratings.

    Args:
        members: [M], names.
        folds: [F, M + 2, M + 2], sums of products over valid by fold of users.
        mean: What was subtracted from predictions and ratings.
        reg: L2 weight per rating; None chooses it by cross-validation.

    Returns:
        prediction = intercept + Σ weight · prediction of the member.
    """
    chosen = ridge.choose_reg(folds) if reg is None else reg
    *weights, constant = ridge.solve(folds.sum(axis=0), chosen).tolist()
    rmse = ridge.cross_validate(folds, chosen)
    return {
        "algorithm": BLEND,
        "reg": chosen,
        "intercept": constant + mean * (1 - float(np.sum(weights))),
        "valid_rows": int(folds.sum(axis=0)[-2, -2]),
        "valid_rmse": rmse,
        "members": [
            {
                "model": name,
                "weight": weight,
                "valid_rmse": ridge.member_rmse(folds, position),
                "gain": ridge.cross_validate(ridge.without_member(folds, position), chosen) - rmse,
            }
            for position, (name, weight) in enumerate(zip(members, weights, strict=True))
        ],
    }
