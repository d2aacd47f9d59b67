"""Refuses recommend.caution for models that do not say how far off their predictions are.

Their lists could only be ranked without caution, and would look just like those with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from recspark.config import Config
from recspark.errors import ConfigError, describe
from recspark.scoring.predictors import PairModel, UncertainModel

# The architectures that `scoring.trained` opens as an `UncertainModel`.
_UNCERTAIN = ("bayesian_mf",)


def require_caution_to_fit(models: Mapping[str, Config]) -> None:
    """Check models that lists are made with, by their settings, before any is fitted.

    Raises:
        ConfigError: One has caution, and will state no standard deviations.
    """
    for name, settings in models.items():
        states = settings.train.architecture in _UNCERTAIN  # that of a blend is None
        if settings.recommend.caution and not states:
            raise _refuse(name, settings.recommend.caution)


def require_caution(model: PairModel, name: str, caution: float) -> None:
    """Check a saved model for which caution is above 0.

    Raises:
        ConfigError: It states no standard deviations.
    """
    if not isinstance(model, UncertainModel):
        raise _refuse(name, caution)


def _refuse(name: str, caution: float) -> ConfigError:
    return ConfigError(
        describe(
            "recommend.caution",
            found=f"{caution:g}, and {name}, a model that states no standard deviations",
            expected="0 for this model",
            remedy=f"Remove {name} from recommend.models; or set recommend.caution only in "
            "models/<name>.yaml of the models that state them.",
        )
    )
