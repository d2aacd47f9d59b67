"""One model of a run: it maps raw ids to ratings, or scores, as the jobs do, without Spark."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import is_text, to_column
from recspark.arrays.lookup import Lookup
from recspark.config import Config, RecommendConfig
from recspark.contract import columns as c
from recspark.contract.catalog import TRAIN
from recspark.contract.paths import RunPaths
from recspark.datasets.id_maps import read_index_ids
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.notebook.raw_ids import pair_ids
from recspark.notebook.times import read_times
from recspark.scoring.lineage import require_model, require_scoring
from recspark.scoring.predict import Scoring, score_pairs
from recspark.scoring.predictors import Ints

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Model:
    """A model of a run, of any kind; returned by `Run.model` and `recspark.load_model`.

    Weights are read when first needed and kept for the life of the process. If the model has been
    fitted again in the meantime, they are read again.

    Attributes:
        root: The run directory.
        name: The model's name.
    """

    root: str
    name: str

    @overload
    def predict(
        self, users: Any, movies: Any, times: Any = ..., *, with_fallback: Literal[False] = ...
    ) -> npt.NDArray[np.float32]: ...

    @overload
    def predict(
        self, users: Any, movies: Any, times: Any = ..., *, with_fallback: Literal[True]
    ) -> pd.DataFrame: ...

    def predict(
        self, users: Any, movies: Any, times: Any = None, *, with_fallback: bool = False
    ) -> npt.NDArray[np.float32] | pd.DataFrame:
        """Return the predicted rating of each pair, the same as the score job gives.

        Every prediction is a number within the rating scale. If the model has no prediction, as for
        an unknown user or movie, the bias model predicts; `with_fallback` shows where. Each call
        reads some small files, and cosine_user reads all of train: pass many pairs at once.

        A model that ranks, such as ease, answers with its score, which has no scale and no
        fallback: NaN where the model has none. list_blend scores all movies for each user.

        Args:
            users: Raw user ids [pairs], or a single one for all movies. A list, tuple, NumPy array
                or pandas Series of text, or of whole numbers if the ids of the run are.
            movies: Raw movie ids [pairs], or a single one for all users.
            times: When each pair is rated [pairs], or a single time for all: datetimes, timestamps,
                dates or seconds since 1970, in UTC unless they name a zone. None is no particular
                moment. Models that do not use times ignore it.
            with_fallback: Whether to return a DataFrame of `user_id`, `movie_id`, `prediction` and
                `fallback`, which is null where the model itself predicted, and no_answer where a
                model that ranks has no score.

        Returns:
            float32 [pairs] in rating units or scores, or the DataFrame, in the order of the pairs.

        Raises:
            DataError: A value is not an id of the run's kind or no time, the lengths differ, or the
                model was made from other data than the run now holds.

        Examples:
            >>> import recspark
            >>> model = recspark.Run("runs/movielens-100k").model("als")
            >>> model.predict([1, 2, 3], [10, 20, 30]).dtype
            dtype('float32')
            >>> len(model.predict(1, range(1, 51)))
            50
            >>> model.predict([1, 999], [10, 10], with_fallback=True)["fallback"].isna().tolist()
            [True, False]
        """
        train = require_manifest(RunPaths(self.root).train, TRAIN)
        lookups = self._open_indexes(train)
        are_text = is_text(lookups[0].ids), is_text(lookups[1].ids)
        user_ids, movie_ids = pair_ids(users, movies, are_text=are_text)
        when = None if times is None else read_times(times, len(user_ids))
        indexes = lookups[0].find(user_ids), lookups[1].find(movie_ids)
        prediction, fallback = self._score(*indexes, when)
        if not with_fallback:
            return prediction
        table = pa.table(
            [to_column(user_ids), to_column(movie_ids), pa.array(prediction), fallback],
            names=[c.USER_ID, c.MOVIE_ID, c.PREDICTION, c.FALLBACK],
        )
        return table.to_pandas()

    def recommend(
        self,
        histories: pd.DataFrame,
        n: int = 10,
        *,
        include_seen: bool = False,
        max_per_genre: int | None = None,
        rare_share: float = 0.0,
        reasons: int = 0,
        titles: bool = False,
    ) -> pd.DataFrame:
        """Return lists for users who were not there at training, from what they have rated.

        They come from the rows alone, also for users whom the run knows. Users none of whose movies
        the run knows get no list. Those who answer are ease, item_knn, ials, mult_vae, mf_als,
        bayesian_mf and popularity.

        Args:
            histories: `user_id` of any kind, `movie_id` as in the run, and `rating`, which may be
                missing where all ratings of the run are equal. Of several ratings of a movie by a
                user, the last row counts.
            n: Length of a list.
            include_seen: Whether movies of a user's rows may be listed too.
            max_per_genre: Most movies of any one genre in a list.
            rare_share: Share of the places of a list that are kept for rare movies.
            reasons: Most movies of a user's rows to name beside each listed movie, those that add
                most to its score.
            titles: Whether lists have titles.

        Returns:
            A DataFrame of `user_id`, `rank` from 1, `movie_id` and `score`, by user and rank; where
            asked for, also `title`, and `reasons`, which names the movies and what each adds.

        Raises:
            ConfigError: The model knows only the users that it was fitted on, or has no reasons; or
                an argument is out of range.
            DataError: A column is missing, an id is not of the run's kind, or a rating is outside
                its scale; or the run has no movies, where titles or genres are asked for.

        Examples:
            >>> import pandas as pd
            >>> import recspark
            >>> seen = pd.DataFrame({"user_id": "new", "movie_id": [50, 181], "rating": [5, 4]})
            >>> model = recspark.Run("runs/movielens-100k").model("ease")  # doctest: +SKIP
            >>> model.recommend(seen, n=3)["rank"].tolist()  # doctest: +SKIP
            [1, 2, 3]
        """
        from recspark.notebook.new_users import list_frame

        settings = RecommendConfig(
            top_n=n,
            include_seen=include_seen,
            max_per_genre=max_per_genre,
            rare_share=rare_share,
            reasons=reasons,
            titles=titles,
        )
        paths = RunPaths(self.root)
        train = require_manifest(paths.train, TRAIN)
        saved, _ = require_model(Config(name=self.name, run_dir=self.root), self.name)
        movies, facts = self._open_indexes(train)[1], PreparedFacts.of(train)
        return list_frame(histories, saved, movies, facts, paths, settings)

    def require_usable(self) -> None:
        """Raise a DataError if a part is missing or was made from other data than the run holds."""
        self._open_scoring()

    def _open_indexes(self, train: Manifest) -> tuple[Lookup, Lookup]:
        paths = RunPaths(self.root)
        return (
            _open_index(_Index(paths.user_index, train.id, train)),
            _open_index(_Index(paths.movie_index, train.id, train)),
        )

    def _score(
        self, users: Ints, movies: Ints, times: Ints | None
    ) -> tuple[npt.NDArray[np.float32], pa.StringArray]:
        scored = score_pairs(self._open_scoring(), users, movies, times)
        return scored.prediction.to_numpy(zero_copy_only=False).copy(), scored.fallback

    def _open_scoring(self) -> Scoring:
        return require_scoring(Config(name=self.name, run_dir=self.root), self.name)[0]


@dataclass(frozen=True)
class _Index:
    """A user or movie index, identified by the train set that it belongs to."""

    path: str
    train_id: str
    train: Manifest = field(compare=False)


@functools.lru_cache(maxsize=8)
def _open_index(index: _Index) -> Lookup:
    return Lookup.of(read_index_ids(index.path, index.train))
