from __future__ import annotations

from typing import Any

import pytest

from recspark.config import TrainConfig
from recspark.training.result_settings import result_settings, resume_settings

# Resident at 18 bytes a row: 36 MB, so they fit into 100 MiB and not into 10 or 20.
ROWS = dict.fromkeys(range(4), 500000)


def of_result(**settings: Any) -> dict[str, Any]:
    return result_settings(TrainConfig(**settings), ROWS, num_users=1000, num_buckets=4)


def to_resume(**settings: Any) -> dict[str, Any]:
    return resume_settings(TrainConfig(**settings), ROWS, num_users=1000, num_buckets=4)


def test_memory_counts_only_where_it_changes_the_order_of_rows() -> None:
    held = of_result(feed_memory_mib=100)
    assert held == of_result(feed_memory_mib=1000) == of_result(feed="resident", feed_memory_mib=1)
    streamed = of_result(feed_memory_mib=10)
    assert streamed == of_result(feed="streaming", feed_memory_mib=10)
    assert streamed != of_result(feed="streaming", feed_memory_mib=20)
    assert streamed != held


def test_an_autoencoder_is_always_in_memory() -> None:
    given = {"architecture": "autorec", "layers": ("dense 4",)}
    assert of_result(**given, feed="streaming", feed_memory_mib=1) == of_result(**given)


@pytest.mark.parametrize(
    "other",
    [
        *({"timeout_seconds": 5}, {"checkpoint_steps": 7}, {"resume": True}, {"tensorboard": True}),
        *({"num_ranks": 3}, {"device": "cpu"}, {"reader": "arrow"}),
    ],
)
def test_how_training_runs_does_not_count(other: dict[str, Any]) -> None:
    assert of_result(**other) == of_result()


@pytest.mark.parametrize(
    ("other", "can_resume"),
    [
        ({"epochs": 99}, True),
        ({"patience": 9}, True),
        ({"epochs": 99, "patience": 9}, True),
        ({"reg": 0.5}, False),
        ({"batch_size": 7}, False),
    ],
)
def test_more_epochs_train_again_but_continue_a_checkpoint(
    other: dict[str, Any], can_resume: bool
) -> None:
    assert of_result(**other) != of_result()
    assert (to_resume(**other) == to_resume()) == can_resume


def test_the_cosine_schedule_is_bound_to_its_epochs() -> None:
    first, more = (to_resume(schedule="cosine", epochs=epochs) for epochs in (10, 20))
    assert {name for name in first if first[name] != more[name]} == {"epochs of schedule cosine"}
    assert to_resume(schedule="cosine", patience=9) == to_resume(schedule="cosine")
