"""Opens a run directory: its figures, predictions, lists and models."""

from __future__ import annotations

import difflib
import os
import posixpath
from typing import TYPE_CHECKING, Any

from recspark.config.checks import is_model_name
from recspark.contract.catalog import (
    PREDICTIONS,
    RECOMMENDATIONS,
    REPORT,
    SIMILAR_MOVIES,
    TEST,
    TRAIN,
    DataSet,
)
from recspark.contract.paths import BLEND, PAGE, RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, read_manifest, require_manifest
from recspark.errors import DataError, describe
from recspark.evaluation.leaderboard import read_figures
from recspark.files import storage
from recspark.notebook import tables
from recspark.notebook.model import Model
from recspark.redact import shown

if TYPE_CHECKING:
    from typing import TypeAlias

    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

    Frame: TypeAlias = pd.DataFrame | DataFrame

_PARTS = ("ratings", "train", "valid", "test")


class Run:
    """An open run directory, to inspect and to predict with.

    Each call reads from disk, so it shows what the run holds at that moment. Ids are raw ids, as in
    the source. Frames are pandas frames; a method that takes `spark` returns a Spark frame if it is
    given a session.

    Args:
        path: The run directory, local or remote. A relative path is resolved at once.

    Raises:
        DataError: The path holds no run.

    Examples:
        >>> import recspark
        >>> run = recspark.Run("runs/movielens-100k")
        >>> run.models
        ['als', 'bias', 'biased_mf', 'blend', 'cosine_user']
        >>> run.leaderboard()["rmse"].is_monotonic_increasing
        True
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = storage.absolute(os.fspath(path)).rstrip("/")
        self._paths = RunPaths(self.path)
        if not self._rows():
            raise DataError(
                describe(
                    self.path,
                    found="no finished ratings and no train",
                    expected="the run directory of a pipeline, such as runs/movielens-100k",
                    remedy="Name another, or make one: recspark.run(config) or jobs/pipeline.py.",
                )
            )

    def __repr__(self) -> str:
        rows = self._rows()
        ratings = rows.get("ratings", 0)
        splits = ", ".join(f"{name} {count:,}" for name, count in rows.items() if name != "ratings")
        models = ", ".join(self.models) or "none"
        return f"Run({self.path!r}): {ratings:,} ratings ({splits or 'no split'}); models: {models}"

    @property
    def models(self) -> list[str]:
        """Names of the finished models, sorted."""
        folders = storage.list_folders(posixpath.dirname(self._paths.model(BLEND)))
        names = [posixpath.basename(folder) for folder in folders]
        return [
            name
            for name in sorted(names)
            if not name.startswith((".", "_")) and read_manifest(self._paths.model(name))
        ]

    @property
    def report(self) -> str:
        """Path of the report, a self-contained HTML file.

        Raises:
            DataError: The run has none.

        Examples:
            >>> import recspark
            >>> recspark.Run("runs/movielens-100k").report.endswith("report/index.html")
            True
        """
        require_manifest(self._paths.report, REPORT)
        return posixpath.join(self._paths.report, PAGE)

    def model(self, name: str) -> Model:
        """Return a model to predict with, of any kind, also `blend` and `list_blend`.

        Raises:
            DataError: There is no such model, or the run's data have changed since it was fitted.

        Examples:
            >>> import recspark
            >>> run = recspark.Run("runs/movielens-100k")
            >>> float(run.model("blend").predict(1, 10)[0]) <= 5
            True
        """
        self._require_model(name)
        model = Model(self.path, name)
        model.require_usable()
        return model

    def leaderboard(self) -> pd.DataFrame:
        """Return the models of the last evaluation, best first, one row each.

        Columns: `model`, `rmse`, `rmse_low` and `rmse_high` (its interval), `mae`, `coverage` (the
        share of test ratings that the model itself predicted), `num_fallbacks` (the number of the
        others), `seconds` to fit and score, `vs_best` and `vs_bias` (difference of RMSE over the
        same users, NaN against itself), `is_tie` (whether the test set cannot distinguish it from
        the best), `num_rows` of test, and `protocol`.

        Raises:
            DataError: The run is not evaluated, or a model was scored anew since.

        Examples:
            >>> import recspark
            >>> board = recspark.Run("runs/movielens-100k").leaderboard()
            >>> list(board.columns[:4])
            ['model', 'rmse', 'rmse_low', 'rmse_high']
        """
        return tables.make_leaderboard(read_figures(self._paths.leaderboard, self._paths))

    def lists_leaderboard(self) -> pd.DataFrame:
        """Return the models with lists, and popularity, best first, one row each.

        Columns: `model`, `k` (the movies of a list that count), `ndcg`, `ndcg_low` and `ndcg_high`
        (its interval), `vs_best` and `vs_popularity` (difference of NDCG over the same users, NaN
        against itself), `is_tie` (with the best), `is_above_popularity` (beyond the interval),
        `recall`, `capped_recall`, `precision`, `map`, `mrr`, `hit_rate`, `catalogue_coverage`,
        `novelty`, `concentration`, `popularity_lift`, `diversity`, `num_users` (that count),
        `num_users_without_list`, `unmeasured` (why there are no figures) and `protocol`.

        Raises:
            DataError: The run is not evaluated, or lists were made anew since.

        Examples:
            >>> import recspark
            >>> board = recspark.Run("runs/movielens-100k").lists_leaderboard()
            >>> "popularity" in set(board["model"])
            True
        """
        rows = read_figures(self._paths.lists_leaderboard, self._paths)
        return tables.make_lists_leaderboard(rows)

    def metrics(self, model: str) -> dict[str, Any]:
        """Return all figures of a model, from `metrics/<model>.json`: more than `leaderboard`.

        Raises:
            DataError: There is no such model, or its current predictions are not evaluated.

        Examples:
            >>> import recspark
            >>> metrics = recspark.Run("runs/movielens-100k").metrics("als")
            >>> metrics["model"], 0 < metrics["rmse"] < 2
            ('als', True)
        """
        self._require_model(model)
        found: dict[str, Any] = read_figures(
            self._paths.metrics(model),
            self._paths,
            remedy=f"Run jobs/evaluate.py with the run's config and {model} among the models.",
        )
        return found

    def predictions(self, model: str, spark: SparkSession | None = None) -> Frame:
        """Return the test ratings with a model's predictions, one row each, in stored order.

        Columns: `user_id`, `movie_id`, `rating`, `rated_at` (UTC, null where unknown),
        `prediction`, `prediction_std` (of the rating, null where the model states none), and
        `fallback`, which is null where the model itself predicted. Memory without `spark`: about
        100 bytes per row, more with text ids.

        Raises:
            DataError: There is no such model, it is not scored, or its test set has changed.

        Examples:
            >>> import recspark
            >>> found = recspark.Run("runs/movielens-100k").predictions("als")
            >>> bool(found["prediction"].between(1, 5).all())
            True
        """
        kind = PREDICTIONS.made_by("blend" if model == BLEND else "score")
        path = self._paths.predictions(model)
        made = self._require_made(path, model, kind)
        train = require_manifest(self._paths.train, TRAIN)
        require_current(path, made, test=require_manifest(self._paths.test, TEST))
        if spark is not None:
            return tables.read_predictions_in_spark(self._paths, model, spark)
        return tables.read_predictions(self._paths, model, train)

    def recommendations(self, model: str, spark: SparkSession | None = None) -> Frame:
        """Return a model's top-N lists, one row for each user and rank.

        Columns: `user_id`, `rank` from 1, `movie_id`, `title` (null if the movie has none), `score`
        (what ranks, in rating units, not clipped).

        Raises:
            DataError: There is no such model, or it has no lists.

        Examples:
            >>> import recspark
            >>> lists = recspark.Run("runs/movielens-100k").recommendations("als")
            >>> lists["rank"].head(3).tolist()
            [1, 2, 3]
        """
        options = f" and --recommend.models {model}"
        self._require_made(self._paths.recommendations(model), model, RECOMMENDATIONS, options)
        if spark is not None:
            return tables.read_recommendations_in_spark(self._paths, model, spark)
        return tables.read_recommendations(self._paths, model)

    def similar(
        self,
        model: str,
        movie_id: int | str | None = None,
        n: int = 10,
        spark: SparkSession | None = None,
    ) -> Frame:
        """Return the movies most similar to one movie or to each, by embeddings or weights.

        Columns: `movie_id`, `rank` from 1, `similar_movie_id`, `similarity` (cosine, or the weight
        of ease and item_knn), `title`, `similar_title`. Rows are sorted by movie and rank.

        Args:
            model: Name of the model.
            movie_id: The movie; None returns the lists of all movies.
            n: Most rows per movie; the lists hold at most `similar.top_n`.
            spark: A session, to get a Spark frame.

        Raises:
            DataError: There is no such model, it has no lists, or they do not hold the movie, or
                its id is not of the run's kind.

        Examples:
            >>> import recspark
            >>> alike = recspark.Run("runs/movielens-100k").similar("als", movie_id=7, n=3)
            >>> alike["rank"].tolist()
            [1, 2, 3]
        """
        path = self._paths.similar_movies(model)
        self._require_made(path, model, SIMILAR_MOVIES, f" and --similar.models {model}")
        if spark is not None:
            return tables.read_similar_in_spark(path, movie_id, n, spark)
        return tables.read_similar(path, movie_id, n)

    def _rows(self) -> dict[str, int]:
        """Return the row counts of the ratings and of each finished split."""
        found = {part: read_manifest(f"{self.path}/{part}") for part in _PARTS}
        return {part: manifest.num_rows for part, manifest in found.items() if manifest}

    def _require_model(self, name: str) -> Manifest:
        manifest = read_manifest(self._paths.model(name)) if is_model_name(name) else None
        if manifest is None:
            known = self.models
            nearest = difflib.get_close_matches(name, known, n=1)
            raise DataError(
                describe(
                    f"{self.path}, model {shown(name)!r}",
                    found="no finished model of that name",
                    expected=f"one of {', '.join(known)}" if known else "some models",
                    remedy=f"Did you mean {nearest[0]}?"
                    if nearest
                    else "Name one of them, or fit it: jobs/pipeline.py with it in models.",
                )
            )
        return manifest

    def _require_made(self, path: str, model: str, kind: DataSet, options: str = "") -> Manifest:
        """Return the manifest of a data set that a job made with the current model."""
        fitted = self._require_model(model)
        made = require_manifest(path, kind, options)
        require_current(path, made, model=fitted)
        return made
