from __future__ import annotations

import json

import numpy as np
import pytest

from recspark.config import Config, EvaluateConfig, SignalConfig
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.signal import Signal
from recspark.errors import ConfigError

STARS = np.array([1, 2, 3, 4, 5], np.float32)


def facts(*values: float) -> PreparedFacts:
    return PreparedFacts(
        num_users=1,
        num_movies=1,
        num_buckets=1,
        rating_min=min(values),
        rating_max=max(values),
        rating_mean=3.0,
        rating_std=1.0,
        rating_values=values,
    )


def signal(values: tuple[float, ...], relevant: float | None = None, **settings: object) -> Signal:
    config = Config(
        name="t",
        signal=SignalConfig(**settings),  # type: ignore[arg-type]
        evaluate=EvaluateConfig(relevant_rating=relevant),
    )
    return Signal.of(config, facts(*values))


@pytest.mark.parametrize(
    ("values", "relevant", "settings", "ratings", "expected"),
    [
        ((1, 2, 3, 4, 5), None, {}, STARS, [0.2, 0.2, 0.5, 1, 1.3]),
        # Half stars lie halfway: .5 to 5 in nine steps has its five weights at .5, 1.625, 2.75, …
        ((0.5, 5), None, {}, [0.5, 1.625, 2.1875, 5], [0.2, 0.2, 0.35, 1.3]),
        ((1, 5), None, {"weights": (0, 2)}, STARS, [0, 0.5, 1, 1.5, 2]),
        ((1, 2, 3, 4, 5), None, {"kind": "likes"}, STARS, [0, 0, 0, 1, 1]),
        ((1, 2, 3, 4, 5), 5, {"kind": "likes"}, STARS, [0, 0, 0, 0, 1]),
        ((1, 2, 3, 4, 5), None, {"kind": "events"}, STARS, [1, 1, 1, 1, 1]),
        ((1,), None, {}, [1, 1], [1, 1]),
        ((1,), None, {"kind": "likes"}, [1, 1], [1, 1]),
    ],
)
def test_weights_of_ratings(
    values: tuple[float, ...],
    relevant: float | None,
    settings: dict[str, object],
    ratings: list[float],
    expected: list[float],
) -> None:
    found = signal(values, relevant, **settings)
    given = np.array(ratings, np.float32)
    np.testing.assert_allclose(found.weigh(given), expected, rtol=1e-6)
    stored = Signal.of_card(json.loads(json.dumps(found.to_card(), allow_nan=False)))
    np.testing.assert_array_equal(stored.weigh(given), found.weigh(given))


@pytest.mark.parametrize("weights", [(1.0,), (0.0, 0.0), (1.0, -1.0), (1.0, float("inf"))])
def test_weights_that_say_nothing_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"signal\.weights"):
        SignalConfig(weights=weights)
