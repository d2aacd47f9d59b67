"""Which settings of a model a search tries, and between which values.

Without `tune.space` a model is searched around the values of its preset, so the same table serves
small and large data, and a preset that the user wrote.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from recspark.config import Config
from recspark.config.fields import list_settings
from recspark.config.load import override
from recspark.config.tune import SearchRange, read_range
from recspark.errors import ConfigError, describe
from recspark.training.result_settings import result_settings

Space = Mapping[str, SearchRange]
"""Path of a setting to its range."""

# Name to (factor below the preset's value, factor above it).
_AROUND = {
    "embedding_size": (4, 4),
    "learning_rate": (5, 5),
    "reg": (8, 8),
    "bias_reg": (8, 8),
    "weight_decay": (10, 10),
    "batch_size": (4, 4),
    "reg_user": (5, 5),
    "reg_movie": (5, 5),
    "num_neighbors": (5, 5),
    "shrinkage": (5, 5),
    "sampler.interactions": (4, 2),
    "unobserved_weight": (8, 8),
    "kl_weight": (5, 5),
}
# Where the preset has 0, which no factor leaves.
_FROM_ZERO = {
    "reg": (1e-4, 0.3),
    "bias_reg": (1e-4, 0.3),
    "weight_decay": (1e-6, 1e-2),
    "kl_weight": (0.01, 1.0),
    "reg_user": (1.0, 50.0),
    "reg_movie": (1.0, 50.0),
    "shrinkage": (1.0, 50.0),
}
_FACTOR_MODEL = ("embedding_size", "learning_rate", "reg", "learning_rate_decay")
_NETWORK = ("embedding_size", "learning_rate", "reg", "weight_decay")
# Whatever the preset has.
_WITHIN = {
    "dropout": SearchRange(low=0.0, high=0.7),
    "user_weight": SearchRange(low=0.0, high=1.0),
    "half_life_days": SearchRange(low=30.0, high=3000.0, log=True),
    "asymmetry": SearchRange(low=0.3, high=0.9),
}
# Architecture, algorithm or ials to the settings that matter most.
_SEARCHED = {
    "biased_mf": (*_FACTOR_MODEL, "bias_reg"),
    "dot_product": _FACTOR_MODEL,
    "embedding_mlp": _NETWORK,
    "residual_mf": _NETWORK,
    "rating_classifier": _NETWORK,
    "autorec": ("learning_rate", "weight_decay", "batch_size"),
    "ials": ("reg", "unobserved_weight"),
    "mult_vae": ("embedding_size", "learning_rate", "kl_weight"),
    "bayesian_mf": ("embedding_size", "sampler.interactions"),
    "bias": ("reg_user", "reg_movie"),
    "cosine_user": ("num_neighbors",),
    "als": ("embedding_size", "reg", "shrinkage"),
    "residual_neighbors": ("num_neighbors",),
    "popularity": ("half_life_days",),
    "item_knn": ("num_neighbors", "shrinkage", "asymmetry", "user_weight"),
    "ease": ("reg", "dropout", "user_weight"),
}
# What result_settings keeps, though a search cannot change it.
_FIXED = {"architecture", "feed", "feed_memory_mib"}


def own_settings(config: Config) -> dict[str, Any]:
    """Return the settings that the model depends on and a search may change, by path."""
    algorithm = config.baseline.algorithm
    if algorithm:
        section = asdict(getattr(config.baseline, algorithm))
        section.pop("block_users", None)  # memory, not the result
        own = {f"baseline.{algorithm}.{name}": value for name, value in section.items()}
        if algorithm == "als":  # fitted on what the effects leave
            effects = asdict(config.baseline.bias)
            own |= {f"baseline.bias.{name}": value for name, value in effects.items()}
        return own
    kept = result_settings(replace(config.train, num_ranks=1), {}, num_users=1, num_buckets=1)
    kept |= {f"sampler.{name}": value for name, value in kept.pop("sampler").items()}
    return {f"train.{name}": value for name, value in kept.items() if name not in _FIXED}


def choose_space(config: Config) -> Space:
    """Return what to search of a model: its settings in `tune.space`, else those around its preset.

    Raises:
        ConfigError: Neither names any.
    """
    own = own_settings(config)
    asked = {name: read_range(name, raw) for name, raw in config.tune.space.items() if name in own}
    space = asked or _default_space(config, own)
    if not space:
        raise ConfigError(
            describe(
                "tune.space",
                found=f"no setting of {config.baseline.algorithm or config.train.architecture}",
                expected="one or more, as there are no usual ranges for it",
                remedy="Example: --tune.space '{train.reg: {low: 0.01, high: 1, log: true}}'.",
            )
        )
    return space


def require_spaces(models: Mapping[str, Config]) -> None:
    """Check the searches of all models before the first trial.

    Raises:
        ConfigError: `tune.space` names a setting that no model has, or a range holds a value that
            a model refuses; or as `choose_space`.
    """
    known = sorted({name for config in models.values() for name in own_settings(config)})
    for name in next(iter(models.values())).tune.space:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {nearest[0]}?" if nearest else "Remove it."
            raise ConfigError(
                describe(
                    "tune.space",
                    found=f"the setting {name}",
                    expected=f"one that decides how {', '.join(models)} learns",
                    remedy=hint,
                )
            )
    for config in models.values():
        for name, found in choose_space(config).items():
            for value in found.ends:
                override(config, {name: value})


def is_whole(name: str) -> bool:
    """Return whether the values of a setting are whole numbers."""
    return list_settings(Config)[name].kind is int


def start_inside(space: Space, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first trial: the preset's own values, moved into the ranges.

    A value that a range cannot hold, such as null, is left out: the sampler draws it.
    """
    first = {}
    for name, found in space.items():
        value = own[name]
        if found.choices:
            if encode(value) in map(encode, found.choices):
                first[name] = value
        elif type(value) in (int, float):
            first[name] = min(max(value, found.low), found.high)
    return first


def encode(value: Any) -> str:
    """Return a choice as text: a sampler takes plain values only, and layers are a list."""
    return json.dumps(value)


def _default_space(config: Config, own: Mapping[str, Any]) -> dict[str, SearchRange]:
    kind: str | None = config.baseline.algorithm or config.train.architecture
    if kind == "dot_product" and config.train.optimizer == "ials":
        kind = "ials"
    section = f"baseline.{kind}." if config.baseline.algorithm else "train."
    space = {}
    for name in _SEARCHED.get(str(kind), ()):
        found = _range_around(config, name, own[section + name], is_whole(section + name))
        if found is not None:
            space[section + name] = found
    return space


def _range_around(config: Config, name: str, value: Any, whole: bool) -> SearchRange | None:
    """Return the range of one setting; None if it has no effect in this preset."""
    if name == "learning_rate_decay":
        is_used = config.train.schedule == "decay" and config.train.optimizer != "als"
        return SearchRange(low=min(0.5, value), high=1.0) if is_used else None
    if name == "learning_rate" and config.train.optimizer == "als":
        return None
    if name == "bias_reg" and value is None:
        return None  # it follows reg
    if name == "sampler.interactions" and not value:
        return None
    if name in _WITHIN:
        return _WITHIN[name]
    if not value:
        low, high = _FROM_ZERO[name]
        return SearchRange(low=low, high=high, log=True)
    below, above = _AROUND[name]
    if whole:
        return SearchRange(low=max(1, value // below), high=max(2, value * above), log=True)
    return SearchRange(low=value / below, high=value * above, log=True)
