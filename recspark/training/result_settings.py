"""The settings that a trained model depends on, and those that a checkpoint depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.training.feed import is_resident

# How training runs, without influence on its result (beyond rounding).
_WITHOUT_INFLUENCE = (
    *("timeout_seconds", "checkpoint_steps", "checkpoint_seconds", "resume", "tensorboard"),
    *("num_ranks", "device", "reader", "feed", "feed_memory_mib"),
)


def result_settings(
    settings: TrainConfig, train_rows: Mapping[int, int], num_users: int, num_buckets: int
) -> dict[str, Any]:
    """Return the settings that the trained model depends on.

    Of the feed only the one that was chosen counts, as the two order rows differently. Memory
    counts when streaming alone, where rows are shuffled in buffers of that size.

    Args:
        settings: The train section.
        train_rows: Bucket to rows of train.
        num_users: Users in the index.
        num_buckets: Buckets of train.

    Raises:
        ConfigError: There are fewer buckets than ranks.
    """
    kept = asdict(settings)
    for name in _WITHOUT_INFLUENCE:
        del kept[name]
    shard = Shard(
        num_users=num_users, num_buckets=num_buckets, rank=0, num_ranks=settings.num_ranks
    )
    is_always_held = settings.encodes_users or settings.solves_rows
    if is_always_held or is_resident(train_rows, shard, settings):
        return {**kept, "feed": "resident"}
    return {**kept, "feed": "streaming", "feed_memory_mib": settings.feed_memory_mib}


def resume_settings(
    settings: TrainConfig, train_rows: Mapping[int, int], num_users: int, num_buckets: int
) -> dict[str, Any]:
    """Return the settings that a run must share with a checkpoint to continue it.

    `epochs` and `patience` only say when training ends, so they may change. Under the cosine
    schedule every step so far depended on `epochs`, as do the sweeps after which bayesian_mf stores
    samples.

    Args:
        settings: The train section.
        train_rows: Bucket to rows of train.
        num_users: Users in the index.
        num_buckets: Buckets of train.
    """
    kept = result_settings(settings, train_rows, num_users, num_buckets)
    del kept["patience"]
    epochs = kept.pop("epochs")
    if settings.architecture == "bayesian_mf":
        return {**kept, "epochs of bayesian_mf": epochs}
    return {**kept, "epochs of schedule cosine": epochs} if settings.schedule == "cosine" else kept
