from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from recspark.models.spec import ModelSpec
from recspark.models.target import Target

HALF_STARS = tuple(np.arange(1, 11) / 2)


@pytest.mark.parametrize(
    ("target", "encoded"),
    [
        (Target(kind="raw", mean=3.0, std=2.0), [0.5, 3.0, 4.5]),
        (Target(kind="centered", mean=3.0, std=2.0), [-2.5, 0.0, 1.5]),
        (Target(kind="standardized", mean=3.0, std=2.0), [-1.25, 0.0, 0.75]),
    ],
)
def test_decoding_inverts_encoding(target: Target, encoded: list[float]) -> None:
    ratings = torch.tensor([0.5, 3.0, 4.5])
    assert target.num_outputs == 1
    assert target.encode(ratings).tolist() == encoded
    assert target.decode(target.encode(ratings)).tolist() == ratings.tolist()


def test_each_half_star_has_its_own_class() -> None:
    target = Target(kind="one_of_k", values=HALF_STARS)
    assert target.num_outputs == 10
    ratings = torch.tensor([0.5, 1.0, 2.5, 5.0])
    classes = target.encode(ratings)
    assert classes.dtype == torch.int64
    assert classes.tolist() == [0, 1, 4, 9]
    sure = torch.full((4, 10), -100.0)
    sure[torch.arange(4), classes] = 100.0
    assert target.decode(sure).tolist() == ratings.tolist()


def test_a_rating_missing_from_train_gets_a_neighbouring_class() -> None:
    target = Target(kind="one_of_k", values=(1.0, 3.0, 5.0))
    assert target.encode(torch.tensor([0.5, 2.0, 9.0])).tolist() == [0, 1, 2]


def test_scores_become_the_expected_rating() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    target = Target(kind="one_of_k", values=(1.0, 2.0, 3.0, 4.0, 5.0))
    found = target.decode(torch.from_numpy(scores)).numpy()
    np.testing.assert_allclose(found, weights @ np.arange(1, 6), rtol=1e-5)


@pytest.mark.parametrize(
    "spec",
    [
        {"target": Target(kind="one_of_k", values=HALF_STARS), "layers": ("dense 3", "relu")},
        {"target": Target(kind="standardized", mean=0.1, std=1 / 3), "init": "uniform"},
    ],
)
def test_a_card_through_json_is_the_same_spec(spec: dict[str, Any]) -> None:
    before = ModelSpec(num_movies=9, init_scale=0.1, **spec)
    assert ModelSpec.from_card(json.loads(json.dumps(before.to_card()))) == before
