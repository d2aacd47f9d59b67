"""The data sets of a run directory: for each its path, its schema and the jobs that make it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from recspark.contract import schemas
from recspark.contract.schemas import Schema


@dataclass(frozen=True)
class DataSet:
    """One kind of data set of a run."""

    place: str
    """Path below the run directory; `{model}` and `{file}` stand for names."""
    jobs: tuple[str, ...]
    """The jobs that can make it; if there are several, the kind of model decides."""
    schema: Schema | None = None
    """None for models and pages."""

    def made_by(self, job: str) -> DataSet:
        """Return the data set with one of its jobs as the only one."""
        assert job in self.jobs, f"{job} does not make {self.place}"
        return replace(self, jobs=(job,))


RATINGS = DataSet("ratings", ("ingest",), schemas.RATINGS)
MOVIES = DataSet("movies", ("ingest",), schemas.MOVIES)
REJECTS = DataSet("rejects", ("ingest",), schemas.REJECTS)
REJECTS_OF_FAILED_RUN = DataSet("rejects_of_failed_run", ("ingest",), schemas.REJECTS)
USERS = DataSet("users", ("ingest",), schemas.USERS)
PROBE = DataSet("probe", ("ingest",), schemas.PROBE)
QUALIFYING = DataSet("qualifying", ("ingest",), schemas.QUALIFYING)
USER_INDEX = DataSet("user_index", ("prepare",), schemas.USER_INDEX)
MOVIE_INDEX = DataSet("movie_index", ("prepare",), schemas.MOVIE_INDEX)
USER_INDEXER = DataSet("indexers/user", ("prepare",))
MOVIE_INDEXER = DataSet("indexers/movie", ("prepare",))
TRAIN = DataSet("train", ("prepare",), schemas.TRAIN)
VALID = DataSet("valid", ("prepare",), schemas.VALID)
TEST = DataSet("test", ("prepare",), schemas.TEST)
FOLD_IN = DataSet("fold_in", ("prepare",), schemas.FOLD_IN)
MODELS = DataSet("models/{model}", ("baseline", "train", "blend"))
PREDICTIONS = DataSet("predictions/{model}", ("score", "blend"), schemas.PREDICTIONS)
SCORED_PAIRS = DataSet("scored_pairs/{file}/{model}", ("score_pairs",), schemas.SCORED_PAIRS)
CONTEST = DataSet("contest/{model}", ("score_pairs",))
RECOMMENDATIONS = DataSet("recommendations/{model}", ("recommend",), schemas.RECOMMENDATIONS)
NEW_RECOMMENDATIONS = DataSet(
    "new_recommendations/{model}", ("recommend",), schemas.NEW_RECOMMENDATIONS
)
EXPORTED_LISTS = DataSet("exported_lists/{model}", ("recommend",))
SIMILAR_MOVIES = DataSet("similar_movies/{model}", ("similar",), schemas.SIMILAR_MOVIES)
METRICS = DataSet("metrics", ("evaluate",))
TUNE = DataSet("tune/{model}", ("tune",))
EXPLORE = DataSet("explore", ("explore",))
REPORT = DataSet("report", ("report",))

CATALOG = (
    *(RATINGS, MOVIES, USERS, REJECTS, REJECTS_OF_FAILED_RUN, PROBE, QUALIFYING),
    *(USER_INDEX, MOVIE_INDEX, USER_INDEXER, MOVIE_INDEXER, TRAIN, VALID, TEST, FOLD_IN),
    *(MODELS, PREDICTIONS, SCORED_PAIRS, CONTEST),
    *(RECOMMENDATIONS, NEW_RECOMMENDATIONS, EXPORTED_LISTS, SIMILAR_MOVIES),
    *(METRICS, TUNE, EXPLORE, REPORT),
)
