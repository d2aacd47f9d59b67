from __future__ import annotations

import math

import pytest

from recspark.config import TrainConfig
from recspark.training.schedule import step_size


def sizes(num_steps: int = 4, **settings: object) -> list[float]:
    config = TrainConfig(learning_rate=0.1, **settings)  # type: ignore[arg-type]
    return [step_size(config, e, s, num_steps) for e in range(config.epochs) for s in range(4)]


def test_decay_multiplies_before_each_epoch_but_the_first() -> None:
    found = sizes(epochs=3, learning_rate_decay=0.5)
    assert found == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 4)


def test_decay_happens_at_decay_epochs() -> None:
    found = sizes(epochs=4, learning_rate_decay=0.1, decay_epochs=(2,))
    assert found == pytest.approx([0.1] * 8 + [0.01] * 8)


def test_warmup_rises_in_equal_parts() -> None:
    found = sizes(epochs=2, warmup_epochs=1.5)
    assert found == pytest.approx([0.1 * min(1, n / 6) for n in range(1, 9)])


def test_cosine_falls_from_the_full_step_to_almost_none() -> None:
    found = sizes(epochs=2, schedule="cosine")
    assert found == pytest.approx(
        [0.05 * (1 + math.cos(math.pi * (n - 0.5) / 8)) for n in range(1, 9)]
    )
    assert 0 < found[-1] < 0.002
