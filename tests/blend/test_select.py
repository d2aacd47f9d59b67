"""Which members are dropped, against fits over the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest

from recspark.blend import ridge
from recspark.blend.card import make_card
from recspark.blend.select import MIN_GAIN, select_members

ROWS, FOLDS = 400, 5
RNG = np.random.default_rng(21)
TRUTH = RNG.normal(0, 1, ROWS)
Y = TRUTH + RNG.normal(0, 0.3, ROWS)
FOLD = RNG.integers(0, FOLDS, ROWS)
GOOD = TRUTH + RNG.normal(0, 0.5, ROWS)
FAIR = TRUTH + RNG.normal(0, 0.8, ROWS)
NOISE = RNG.normal(0, 1, (2, ROWS))
NAMES = ("noise", "good", "twin", "fair", "more_noise")
X = np.column_stack([NOISE[0], GOOD, GOOD, FAIR, NOISE[1]])


def rmse_of(members: list[int], reg: float) -> float:
    """Cross-validated RMSE of a ridge regression on some columns, row by row."""
    error = np.empty(ROWS)
    for fold in range(FOLDS):
        inside = fold != FOLD
        x = np.column_stack([X[:, members], np.ones(ROWS)])
        penalty = np.diag([reg * inside.sum()] * len(members) + [0.0])
        weights = np.linalg.pinv(x[inside].T @ x[inside] + penalty) @ x[inside].T @ Y[inside]
        error[~inside] = Y[~inside] - x[~inside] @ weights
    return float(np.sqrt(np.mean(error**2)))


def backward(reg: float) -> tuple[list[int], list[tuple[int, float]]]:
    kept, dropped = list(range(5)), []
    while len(kept) > 1:
        rmse = {one: rmse_of([k for k in kept if k != one], reg) for one in kept}
        least = min(rmse, key=lambda one: (round(rmse[one], 9), -one))
        gain = rmse[least] - rmse_of(kept, reg)
        if gain >= MIN_GAIN:
            break
        kept.remove(least)
        dropped.append((least, gain))
    return kept, dropped


@pytest.mark.parametrize("reg", [0.0, 0.01])
def test_members_are_dropped_while_the_rmse_does_not_rise(reg: float) -> None:
    folds = ridge.sum_products(X, Y, FOLD, FOLDS)
    found = select_members(folds, reg)
    kept, dropped = backward(reg)
    assert 3 in kept  # fair
    assert len(kept) < 4  # a twin is always too many
    assert list(found.kept) == kept
    assert [one for one, _ in found.dropped] == [one for one, _ in dropped]
    gains = [gain for _, gain in found.dropped]
    assert gains == pytest.approx([gain for _, gain in dropped], abs=1e-9)
    assert found.rmse == pytest.approx(rmse_of(kept, reg), abs=1e-9)


def test_noise_is_dropped_with_what_it_harmed() -> None:
    folds = ridge.sum_products(X, Y, FOLD, FOLDS)
    card = make_card(NAMES, folds, mean=0.0, reg=0.0)
    # Of two that are the same, the one named last goes.
    assert [member["model"] for member in card["members"]] == ["good", "fair"]
    dropped = {member["model"]: member for member in card["dropped"]}
    assert dropped.keys() | {m["model"] for m in card["members"]} == set(NAMES)
    assert min(dropped["noise"]["gain"], dropped["more_noise"]["gain"]) < 0
    for name, member in dropped.items():
        alone = np.sqrt(np.mean((X[:, NAMES.index(name)] - Y) ** 2))
        assert member["valid_rmse"] == pytest.approx(alone, abs=1e-9)
    good, fair = np.linalg.lstsq(np.column_stack([GOOD, FAIR, np.ones(ROWS)]), Y, rcond=None)[0][:2]
    weights = sorted(member["weight"] for member in card["members"])
    assert weights == pytest.approx(sorted([good, fair]), abs=1e-9)


def test_reg_is_chosen_again_for_the_members_that_are_left() -> None:
    rng = np.random.default_rng(5)
    target = rng.normal(0, 1, 60)
    x = np.column_stack([target + rng.normal(0, 0.3, 60), rng.normal(0, 1, (60, 12))])
    folds = ridge.sum_products(x, target, rng.integers(0, FOLDS, 60), FOLDS)
    found = select_members(folds, None)
    assert 0 in found.kept
    assert len(found.kept) < 13
    left = ridge.with_members(folds, found.kept)
    assert found.reg == ridge.choose_reg(left)
    assert found.rmse == ridge.cross_validate(left, found.reg)


def test_the_last_member_stays() -> None:
    noise = RNG.normal(0, 1, (200, 2))
    folds = ridge.sum_products(noise, RNG.normal(0, 1, 200), np.arange(200) % FOLDS, FOLDS)
    assert len(select_members(folds, 0.0).kept) == 1
