"""Chooses the models that lists are made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recspark.config import Config
from recspark.errors import ConfigError, describe


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
