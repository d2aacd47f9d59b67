"""Settings of the sampler that trains bayesian_mf."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """The Gibbs sampler of bayesian_mf, whose sweeps `train.epochs` counts."""

    burn_in: int = 40
    """Sweeps before the first sample is stored (count, 0 or more)."""
    samples: int = 40
    """Samples that the model stores, evenly spaced over the sweeps after burn-in (count)."""
    user_noise: bool = True
    """Whether each user's ratings have a noise level of their own."""
    movie_noise: bool = True
    """Whether each movie's ratings have a noise level of their own."""
    drift: bool = False
    """Whether users and movies change steadily over the years, which needs the times of ratings.
    Predictions are for the time of the pair; valid RMSE is that at the end alone."""
    interactions: int = 0
    """Features of who rated what (count): components of the pairs of train, in the prior of users
    and movies; 0 uses none."""
    attributes: bool = False
    """Whether the attributes of users and movies that the run has are in their prior."""
    time_process: bool = False
    """Whether ratings that a user gave at about the same time move together, which needs the times
    of ratings. Predictions are for the time of the pair; valid RMSE is that at the end alone."""

    def __post_init__(self) -> None:
        require(self.interactions >= 0, "train.sampler.interactions", self.interactions, "≥ 0")
        require(self.burn_in >= 0, "train.sampler.burn_in", self.burn_in, "≥ 0")
        require(self.samples >= 1, "train.sampler.samples", self.samples, "≥ 1")


def sample_sweeps(settings: SamplerConfig, num_sweeps: int) -> list[int]:
    """Return the sweeps, counted from 0, after which a sample is stored, with the last among them.

    Args:
        settings: The sampler's.
        num_sweeps: Sweeps in all.
    """
    count, rest = settings.samples, num_sweeps - settings.burn_in
    return [settings.burn_in + (number + 1) * rest // count - 1 for number in range(count)]
