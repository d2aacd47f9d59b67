"""The order in which the models of a run are fitted."""

from __future__ import annotations

from collections.abc import Mapping

from recspark.config import Config


def bases_first(models: Mapping[str, Config]) -> dict[str, Config]:
    """Return the models in their order, but those that correct another model last.

    A model that corrects one of the latter follows it only if it is named after it.
    """
    last = sorted(models, key=lambda name: models[name].baseline.base is not None)
    return {name: models[name] for name in last}
