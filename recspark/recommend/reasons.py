"""Why movies are listed: those of the user's history that add most to their scores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.config import Config
from recspark.datasets.histories import Histories, read_histories
from recspark.errors import ConfigError, describe
from recspark.scoring.item_model import ItemModel
from recspark.scoring.load import SavedModel, open_model, read_card
from recspark.scoring.predictors import Ints

# What explains a score is held for as many (entry, movie of the history) at a time.
_CONTRIBUTIONS = 1_000_000
_EXPLAINED = ("ease", "item_knn")

Explain = Callable[[Histories, Ints, Ints], Iterator["Contributions"]]
"""Takes histories, and a user of them and a movie for each entry, by user; yields what each movie
of the history adds to the score of consecutive entries."""


@dataclass(frozen=True)
class Contributions:
    """What histories add to scores.

    Attributes:
        starts: int64 [entries + 1], where those of each entry begin.
        movies: int32 [contributions], `movie_index` in the history.
        values: float32 [contributions]; those of an entry sum to its score.
    """

    starts: npt.NDArray[np.int64]
    movies: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]


def no_reasons(num_entries: int) -> Contributions:
    """Return no reason for each of some entries."""
    starts = np.zeros(num_entries + 1, np.int64)
    return Contributions(starts, np.zeros(0, np.int32), np.zeros(0, np.float32))


def require_reasons_to_fit(models: Mapping[str, Config]) -> None:
    """Check models that lists are made with, by their settings, before any is fitted.

    Raises:
        ConfigError: Lists of one are to have reasons, and it has none.
    """
    for name, settings in models.items():
        is_explained = settings.baseline.algorithm in _EXPLAINED or (
            settings.train.architecture is not None and settings.train.optimizer == "ials"
        )
        if settings.recommend.reasons and not is_explained:
            raise _refuse(name, settings.recommend.reasons)


def require_reasons(model: SavedModel, name: str, count: int) -> None:
    """Check a saved model whose lists are to have reasons.

    Raises:
        ConfigError: It has none.
    """
    card = read_card(model.folder)
    if card.get("algorithm") not in _EXPLAINED and not _is_ials(card):
        raise _refuse(name, count)


class Explainer:
    """Finds the reasons of the entries of one bucket."""

    def __init__(self, saved: SavedModel, bucket: int, num_users: int, count: int) -> None:
        """Read the histories that the model was fitted on.

        Args:
            saved: A model that `require_reasons` accepts.
            bucket: The bucket.
            num_users: Users in the index.
            count: Most reasons of an entry.
        """
        self._count = count
        model = open_model(saved)
        if isinstance(model, ItemModel):
            self._explain: Explain = functools.partial(_explain_by_items, model)
            self._histories = model.open_histories(bucket)
        else:
            self._explain = _open_ials(saved)
            paths = [
                saved.train.path,
                *([saved.valid] if "refit" in read_card(saved.folder) else []),
            ]
            sizes = {"num_users": num_users, "num_buckets": saved.num_buckets}
            self._histories = read_histories(paths, bucket, **sizes)

    def explain(self, rows: Ints, movies: Ints) -> Contributions:
        """Return the reasons of entries, the greatest first; what lowers a score is none.

        Args:
            rows: [entries], rows of users in the bucket; a user's entries are consecutive.
            movies: [entries], `movie_index`.
        """
        from recspark.recommend.reason_loops import keep_greatest

        is_first = np.ones(len(rows), bool)
        is_first[1:] = rows[1:] != rows[:-1]
        histories, users = self._histories.take(rows[is_first]), np.cumsum(is_first) - 1
        found = []
        for part in self._explain(histories, users, movies):
            size = (len(part.starts) - 1, self._count)
            best, values = np.full(size, -1, np.int32), np.zeros(size, np.float32)
            keep_greatest(part.starts, part.movies, part.values, best, values)
            found.append((best, values))
        best, values = (np.concatenate(one) for one in zip(*found, strict=True))
        counts = (best >= 0).sum(axis=1)
        starts = np.concatenate([[0], np.cumsum(counts)])
        return Contributions(starts, best[best >= 0], values[best >= 0])


def _explain_by_items(
    model: ItemModel, histories: Histories, users: Ints, movies: Ints
) -> Iterator[Contributions]:
    ends = np.cumsum(np.diff(histories.starts)[users])
    start = 0
    while start < len(users):
        limit = (ends[start - 1] if start else 0) + _CONTRIBUTIONS
        part = slice(start, max(start + 1, int(np.searchsorted(ends, limit, side="right"))))
        reasons = model.explain(histories, users[part], movies[part])
        yield Contributions(reasons.starts, reasons.movies, reasons.values)
        start = part.stop


@functools.lru_cache(maxsize=1)
def _open_ials(saved: SavedModel) -> Explain:
    from recspark.training.ials_reasons import open_explain

    explain = open_explain(saved.folder, read_card(saved.folder))

    def explain_all(histories: Histories, users: Ints, movies: Ints) -> Iterator[Contributions]:
        starts = np.searchsorted(users, np.arange(histories.num_users + 1))
        for user in range(histories.num_users):
            listed = movies[starts[user] : starts[user + 1]].astype(np.int64)
            rated, added = explain(histories, user, listed)
            yield Contributions(
                len(rated) * np.arange(len(listed) + 1),
                np.tile(rated, len(listed)),
                added.ravel().astype(np.float32),
            )

    return explain_all


def _is_ials(card: Mapping[str, object]) -> bool:
    settings = card.get("settings")
    return isinstance(settings, Mapping) and settings.get("optimizer") == "ials"


def _refuse(name: str, count: int) -> ConfigError:
    return ConfigError(
        describe(
            "recommend.reasons",
            found=f"{count}, and {name}, a model whose scores are no sums over a history",
            expected="0 for this model",
            remedy=f"Remove {name} from recommend.models; or set recommend.reasons only in "
            "models/<name>.yaml of models of ease, item_knn or ials.",
        )
    )
