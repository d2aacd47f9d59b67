from __future__ import annotations

import numpy as np
import pytest

from recspark.blend import ridge
from recspark.blend.card import make_card

MEAN = 3.5


def test_the_card_predicts_from_plain_predictions() -> None:
    rng = np.random.default_rng(9)
    truth = rng.normal(MEAN, 1, 300)
    predictions = np.column_stack([truth + rng.normal(0, noise, 300) for noise in (0.5, 0.9)])
    rating = truth + rng.normal(0, 0.2, 300)
    folds = ridge.sum_products(predictions - MEAN, rating - MEAN, rng.integers(0, 3, 300), 3)
    card = make_card(["a", "b"], folds, mean=MEAN, reg=0.0)
    dense, *_ = np.linalg.lstsq(np.column_stack([predictions, np.ones(300)]), rating, rcond=None)
    weights = [member["weight"] for member in card["members"]]
    assert [*weights, card["intercept"]] == pytest.approx(dense.tolist(), abs=1e-9)
    assert card["valid_rows"] == 300
    assert [member["model"] for member in card["members"]] == ["a", "b"]
    alone = np.sqrt(np.mean((predictions - rating[:, None]) ** 2, axis=0))
    assert [member["valid_rmse"] for member in card["members"]] == pytest.approx(alone, abs=1e-9)
    # Each member knows something that the other does not; the more accurate one knows more.
    assert card["members"][0]["gain"] > card["members"][1]["gain"] > 0
    assert card["valid_rmse"] < alone.min()


def test_a_redundant_member_is_dropped() -> None:
    rng = np.random.default_rng(10)
    good, noise = rng.normal(0, 1, 5000), rng.normal(0, 1, 5000)
    rating = good + rng.normal(0, 0.5, 5000)
    folds = ridge.sum_products(np.column_stack([good, noise]), rating, rng.integers(0, 5, 5000), 5)
    card = make_card(["good", "noise"], folds, mean=0.0, reg=None)
    assert card["reg"] in ridge.REGS
    [member], [dropped] = card["members"], card["dropped"]
    assert member["gain"] > 0.5
    assert dropped["model"] == "noise"
    assert abs(dropped["gain"]) < 0.0001
