"""Which models have reasons, and what explains their lists."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from recspark.config import RecommendConfig
from recspark.contract.paths import LIST_BLEND
from recspark.datasets.histories import Histories, read_histories
from recspark.errors import ConfigError, describe
from recspark.recommend.reasons import Explain, Explainer, Part
from recspark.scoring.item_model import ItemModel, Reasons
from recspark.scoring.list_blend import ListBlendModel
from recspark.scoring.load import SavedModel, find_known, open_model, read_card
from recspark.scoring.predictors import Ints

logger = logging.getLogger(__name__)

_EXPLAINED = ("ease", "item_knn")


def keep_reasons(settings: RecommendConfig, model: SavedModel, name: str) -> RecommendConfig:
    """Return the settings, without reasons if the model has none; the log says so."""
    if not settings.reasons or has_reasons(model):
        return settings
    logger.info("recommend: scores of %s are no sums over a history: lists without reasons", name)
    return replace(settings, reasons=0)


def has_reasons(model: SavedModel) -> bool:
    """Return whether lists of a model can have reasons."""
    return any(_explains(read_card(one.folder)) for one in _members(model))


def require_reasons(model: SavedModel, name: str, count: int) -> None:
    """Check a saved model whose lists are to have reasons.

    Raises:
        ConfigError: It has none.
    """
    if not has_reasons(model):
        raise ConfigError(
            describe(
                "recommend.reasons",
                found=f"{count}, and {name}, a model whose scores are no sums over a history",
                expected="0 for this model",
                remedy="Ask without reasons, or ask a model of ease, item_knn or ials.",
            )
        )


def open_explainer(
    saved: SavedModel, bucket: int, rows: Ints, num_users: int, count: int
) -> Explainer:
    """Return what explains the lists of users of the run, from what the model was fitted on.

    Args:
        saved: A model that `require_reasons` accepts.
        bucket: The bucket of the users.
        rows: Their rows in it.
        num_users: Users in the index.
        count: Most reasons of an entry.
    """
    parts = _open_parts(saved, lambda one: _read_fitted(one, bucket, num_users))
    model = open_model(saved)
    known = parts[0].histories
    if isinstance(model, ListBlendModel):
        known = model.open_seen(bucket)
    return Explainer(parts, known, rows, count)


def explain_histories(saved: SavedModel, histories: Histories, count: int) -> Explainer:
    """Return what explains the lists of users known by histories alone.

    Args:
        saved: A model that `require_reasons` accepts.
        histories: The histories.
        count: Most reasons of an entry.
    """
    parts = _open_parts(saved, lambda _: histories)
    return Explainer(parts, histories, np.arange(histories.num_users), count)


def _open_parts(saved: SavedModel, read: Callable[[SavedModel], Histories]) -> tuple[Part, ...]:
    return tuple(
        Part(_open_explain(one), read(one), number)
        for number, one in enumerate(_members(saved))
        if _explains(read_card(one.folder))
    )


def _read_fitted(saved: SavedModel, bucket: int, num_users: int) -> Histories:
    model = open_model(saved)
    if isinstance(model, ItemModel):
        return model.open_histories(bucket)
    sizes = {"num_users": num_users, "num_buckets": saved.num_buckets}
    return read_histories(find_known(saved), bucket, **sizes)


@functools.lru_cache(maxsize=4)
def _open_explain(saved: SavedModel) -> Explain:
    model = open_model(saved)
    if isinstance(model, ItemModel):
        return model.explain
    from recspark.training.ials_reasons import open_explain

    explain = open_explain(saved.folder, read_card(saved.folder))

    def explain_all(histories: Histories, users: Ints, movies: Ints) -> Reasons:
        counts, rated, added = [np.zeros(1, np.int64)], [], []
        first = np.flatnonzero(np.diff(users, prepend=-1))
        for start, stop in zip(first, [*first[1:], len(users)], strict=True):
            theirs, values = explain(histories, users[start], movies[start:stop].astype(np.int64))
            counts.append(np.full(stop - start, len(theirs)))
            rated.append(np.tile(theirs, stop - start))
            added.append(values.ravel().astype(np.float32))
        starts = np.cumsum(np.concatenate(counts))
        return Reasons(starts, np.concatenate(rated), np.concatenate(added))

    return explain_all


def _members(saved: SavedModel) -> tuple[SavedModel, ...]:
    """Return the members of a blend of lists, in the order of its card; else the model itself."""
    is_blend = read_card(saved.folder).get("algorithm") == LIST_BLEND
    return saved.parts if is_blend else (saved,)


def _explains(card: Mapping[str, Any]) -> bool:
    is_ials = card.get("settings", {}).get("optimizer") == "ials"
    return is_ials or card.get("algorithm") in _EXPLAINED
