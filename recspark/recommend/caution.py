"""Refuses recommend.caution for models and users without a word on how far off predictions are.

Their lists could only be ranked without caution, and would look just like those with it. A model
that states standard deviations states none for users who are known by their histories alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from recspark.config import Config
from recspark.errors import ConfigError, describe
from recspark.scoring.predictors import PairModel, UncertainModel

# The architectures that `scoring.trained` opens as an `UncertainModel`.
_UNCERTAIN = ("bayesian_mf",)

HELD_OUT, HISTORIES = "prepare.split held_out_users", "recommend.histories"
"""Settings that ask for lists of users known by their histories alone."""


def require_caution_to_fit(models: Mapping[str, Config]) -> None:
    """Check models that lists are made with, by their settings, before any is fitted.

    Raises:
        ConfigError: One has caution, and will state no standard deviations.
    """
    for name, settings in models.items():
        states = settings.train.architecture in _UNCERTAIN  # that of a blend is None
        if settings.recommend.caution and not states:
            raise _refuse(name, settings.recommend.caution)
        if settings.prepare.split == "held_out_users":
            require_no_caution(settings.recommend.caution, HELD_OUT)
        if settings.recommend.histories:
            require_no_caution(settings.recommend.caution, HISTORIES)


def require_caution(model: PairModel, name: str, caution: float) -> None:
    """Check a saved model for which caution is above 0.

    Raises:
        ConfigError: It states no standard deviations.
    """
    if not isinstance(model, UncertainModel):
        raise _refuse(name, caution)


def require_no_caution(caution: float, users: str) -> None:
    """Check lists for users known by their histories alone.

    Args:
        caution: The setting.
        users: The setting that asks for such lists.

    Raises:
        ConfigError: There is caution.
    """
    if caution:
        raise ConfigError(
            describe(
                "recommend.caution",
                found=f"{caution:g}, with {users}",
                expected="0: no model states standard deviations for users known by histories",
                remedy=f"Remove recommend.caution, or make lists without {users}.",
            )
        )


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
