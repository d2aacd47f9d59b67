"""Chooses the models that lists are made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recspark.config import Config
from recspark.contract.paths import BLENDS
from recspark.errors import ConfigError, describe


def choose_to_list(config: Config, models: Mapping[str, Config]) -> dict[str, Config]:
    """Return the models to make users' lists with: of the run's models, and the blends.

    Args:
        config: The run's own config, which is the blends' too.
        models: The run's models.

    Raises:
        ConfigError: As `choose_models`.
    """
    names = config.recommend.models
    known = {**models, **{name: config for name in BLENDS if name in names}}
    return choose_models(names, known, "recommend.models")


def choose_models(
    names: Sequence[str], models: Mapping[str, Config], where: str
) -> dict[str, Config]:
    """Return the named models with their settings.

    Args:
        names: The value of the setting `where`.
        models: The run's models.
        where: The setting, for the message.

    Raises:
        ConfigError: No model is named, or one that is not in the run.
    """
    missing = [name for name in names if name not in models]
    if missing or not names:
        raise ConfigError(
            describe(
                where,
                found=", ".join(missing) or "no models",
                expected=f"some of {', '.join(models)}",
                remedy=f"Name them: --{where} {next(iter(models))}",
            )
        )
    return {name: models[name] for name in names}
