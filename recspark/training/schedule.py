"""The step size of every step, computed from the settings and the position alone."""

from __future__ import annotations

import math

from recspark.config import TrainConfig


def step_size(settings: TrainConfig, epoch: int, step: int, num_steps: int) -> float:
    """Return the step size of a step (> 0).

    Args:
        settings: The train section.
        epoch: From 0.
        step: Within the epoch, from 0.
        num_steps: Steps in an epoch.
    """
    passed = epoch + (step + 1) / num_steps  # epochs, this step included
    size = settings.learning_rate
    if settings.warmup_epochs:
        size *= min(1.0, passed / settings.warmup_epochs)
    if settings.schedule == "cosine":
        # Half a step short of the end, where the step size would be 0.
        progress = (passed - 0.5 / num_steps) / settings.epochs
        return size * 0.5 * (1 + math.cos(math.pi * progress))
    drops = sum(epoch >= one for one in settings.decay_epochs) if settings.decay_epochs else epoch
    return float(size * settings.learning_rate_decay**drops)
