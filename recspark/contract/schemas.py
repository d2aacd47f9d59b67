"""The contract of every stored data set: grain, key, columns and partitioning.

Types are Spark SQL names as plain text, so that processes without Spark can read a contract. The
types of raw ids depend on the source: BIGINT where every id is a whole number, else STRING.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from recspark.contract import columns as c

USER = "user id"
MOVIE = "movie id"
"""In place of a type: that of the user ids, or of the movie ids, of the run."""


@dataclass(frozen=True)
class IdTypes:
    """The Spark SQL types of raw ids: BIGINT or STRING."""

    user: str = "BIGINT"
    movie: str = "BIGINT"

    @staticmethod
    def of(columns: Mapping[str, str]) -> IdTypes:
        """Return the types in the columns of `ratings`."""
        return IdTypes(columns[c.USER_ID], columns[c.MOVIE_ID])

    @property
    def are_text(self) -> tuple[bool, bool]:
        """Whether user ids are text, and whether movie ids are."""
        return self.user == "STRING", self.movie == "STRING"


@dataclass(frozen=True)
class Schema:
    """One data set on disk.

    `columns` maps column name to Spark SQL type, in stored order, partition column last.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: dict[str, str]
    partition_by: str | None = None

    @property
    def ddl(self) -> str:
        """The columns as a Spark DDL string, e.g. `user_index INT, rating FLOAT`."""
        return ", ".join(f"`{name}` {kind}" for name, kind in self.columns.items())

    def with_ids(self, types: IdTypes) -> Schema:
        """Return the schema of a run whose ids have these types."""
        found = {USER: types.user, MOVIE: types.movie}
        return replace(self, columns={x: found.get(kind, kind) for x, kind in self.columns.items()})

    def with_columns(self, columns: Mapping[str, str]) -> Schema:
        """Return the schema with further columns (name to Spark SQL type) after its own."""
        return replace(self, columns={**self.columns, **columns})


RATINGS = Schema(
    name="ratings",
    grain="one row per accepted line, in the source's order, with raw ids; repeats of a (user, "
    "movie) are settled by prepare; rated_at is UTC, to the second, null where unknown",
    key=(),
    columns={
        c.USER_ID: USER,
        c.MOVIE_ID: MOVIE,
        c.RATING: "FLOAT",
        c.RATED_AT: "TIMESTAMP",
    },
)

MOVIES = Schema(
    name="movies",
    grain="one row per movie of the titles file; genres are separated by |; attributes that the "
    "config names follow as further columns, DOUBLE or STRING",
    key=(c.MOVIE_ID,),
    columns={c.MOVIE_ID: MOVIE, c.YEAR: "INT", c.TITLE: "STRING", c.GENRES: "STRING"},
)

USERS = Schema(
    name="users",
    grain="one row per user of the users file; attributes that the config names follow as further "
    "columns, DOUBLE or STRING",
    key=(c.USER_ID,),
    columns={c.USER_ID: USER},
)

_HELD_OUT_COLUMNS = {
    c.POSITION: "BIGINT",
    c.USER_ID: "BIGINT",
    c.MOVIE_ID: "BIGINT",
    c.RATED_ON: "DATE",
}

PROBE = Schema(
    name="probe",
    grain="one row per pair of probe.txt, in its order by position; no dates",
    key=(c.POSITION,),
    columns=_HELD_OUT_COLUMNS,
)

QUALIFYING = Schema(
    name="qualifying",
    grain="one row per pair of qualifying.txt, in its order by position",
    key=(c.POSITION,),
    columns=_HELD_OUT_COLUMNS,
)

REJECTS = Schema(
    name="rejects",
    grain="one row per refused line; `line` counts from 1, `offset` is the byte where it starts "
    "in the (decompressed) file; a file in an archive is `archive!member`; in Parquet tables line "
    "and offset are the row number, from 1 and from 0",
    key=(c.FILE, c.LINE),
    columns={
        c.FILE: "STRING",
        c.LINE: "BIGINT",
        c.OFFSET: "BIGINT",
        c.TEXT: "STRING",
        c.REASON: "STRING",
    },
)

_INDEX_COLUMNS = {c.INDEX: "INT", c.NUM_RATINGS: "INT"}

USER_INDEX = Schema(
    name="user_index",
    grain="one row per user kept; index 0 has the most ratings, ties ordered by id as text",
    key=(c.ID,),
    columns={c.ID: USER, **_INDEX_COLUMNS},
)

MOVIE_INDEX = Schema(
    name="movie_index",
    grain="one row per movie kept; index 0 has the most ratings, ties ordered by id as text",
    key=(c.ID,),
    columns={c.ID: MOVIE, **_INDEX_COLUMNS},
)

SPLIT_COLUMNS = {
    c.USER_INDEX: "INT",
    c.MOVIE_INDEX: "INT",
    c.RATING: "FLOAT",
    c.RATED_AT: "INT",
    c.BUCKET: "INT",
}


def _split(name: str) -> Schema:
    return Schema(
        name=name,
        grain="one row per rating; bucket = user_index mod num_buckets; rows in seeded random "
        "order inside a bucket; rated_at counts seconds since 1970-01-01 UTC, null where unknown",
        key=(c.USER_INDEX, c.MOVIE_INDEX),
        columns=SPLIT_COLUMNS,
        partition_by=c.BUCKET,
    )


TRAIN = _split("train")
VALID = _split("valid")
TEST = _split("test")
FOLD_IN = _split("fold_in")

USER_EFFECTS = Schema(
    name="user_effects",
    grain="one row per user with a rating in train; effect in rating units",
    key=(c.USER_INDEX,),
    columns={c.USER_INDEX: "INT", c.EFFECT: "DOUBLE"},
)

MOVIE_EFFECTS = Schema(
    name="movie_effects",
    grain="one row per movie with a rating in train; effect in rating units",
    key=(c.MOVIE_INDEX,),
    columns={c.MOVIE_INDEX: "INT", c.EFFECT: "DOUBLE"},
)

NEIGHBORS = Schema(
    name="neighbors",
    grain="one row per (user, one of its nearest users), bucketed by the user",
    key=(c.USER_INDEX, c.NEIGHBOR_INDEX),
    columns={
        c.USER_INDEX: "INT",
        c.NEIGHBOR_INDEX: "INT",
        c.SIMILARITY: "FLOAT",
        c.BUCKET: "INT",
    },
    partition_by=c.BUCKET,
)

PREDICTIONS = Schema(
    name="predictions",
    grain="one row per test rating; prediction_std, of the rating itself, is null where the model "
    "states none; fallback is null where the model itself answered",
    key=(c.USER_INDEX, c.MOVIE_INDEX),
    columns={
        c.USER_INDEX: "INT",
        c.MOVIE_INDEX: "INT",
        c.RATING: "FLOAT",
        c.RATED_AT: "INT",
        c.PREDICTION: "FLOAT",
        c.PREDICTION_STD: "FLOAT",
        c.FALLBACK: "STRING",
        c.BUCKET: "INT",
    },
    partition_by=c.BUCKET,
)

SCORED_PAIRS = Schema(
    name="scored_pairs",
    grain="one row per requested pair, in the order of the request by position (from 0); "
    "prediction_std and fallback as in predictions; a model that ranks answers with its score: "
    "null, with fallback no_answer, where it has none",
    key=(c.POSITION,),
    columns={
        c.POSITION: "BIGINT",
        c.USER_ID: USER,
        c.MOVIE_ID: MOVIE,
        c.PREDICTION: "FLOAT",
        c.PREDICTION_STD: "FLOAT",
        c.FALLBACK: "STRING",
    },
)

NEW_PAIRS = {c.FOLDED_IN: "BOOLEAN"}
"""Further column of scored_pairs with score_pairs.histories: whether the answer is from them."""

RECOMMENDATIONS = Schema(
    name="recommendations",
    grain="one row per (user, rank); rank counts from 1; score is what ranks, not clipped: the "
    "prediction, less recommend.caution × its standard deviation; of a model that ranks its score; "
    "with recommend.titles and recommend.reasons, columns of `list_columns` follow",
    key=(c.USER_ID, c.RANK),
    columns={c.USER_ID: USER, c.RANK: "INT", c.MOVIE_ID: MOVIE, c.SCORE: "FLOAT"},
)

NEW_RECOMMENDATIONS = Schema(
    name="new_recommendations",
    grain="one row per (user, rank) for the users of recommend.histories, whose lists come from "
    "their histories alone; columns as in recommendations",
    key=(c.USER_ID, c.RANK),
    columns=RECOMMENDATIONS.columns,
)


def list_columns(*, titles: bool, reasons: bool, movie: str) -> dict[str, str]:
    """Return the further columns of lists.

    Args:
        titles: Whether they have titles; null where `movies` has none.
        reasons: Whether they have the movies of the user's history that add most to the score, each
            with what it adds, the greatest first.
        movie: Type of movie ids.
    """
    reason = f"STRUCT<{c.MOVIE_ID}: {movie}, {c.CONTRIBUTION}: FLOAT>"
    return {
        **({c.TITLE: "STRING"} if titles else {}),
        **({c.REASONS: f"ARRAY<{reason}>"} if reasons else {}),
    }


SIMILAR_MOVIES = Schema(
    name="similar_movies",
    grain="one row per (movie, rank); rank counts from 1; similarity is the cosine of the two "
    "embeddings, or of ease and item_knn what a rating of the movie adds to the other's score "
    "if both were rated as often; "
    "titles are null where the titles file has none",
    key=(c.MOVIE_ID, c.RANK),
    columns={
        c.MOVIE_ID: MOVIE,
        c.RANK: "INT",
        c.SIMILAR_MOVIE_ID: MOVIE,
        c.SIMILARITY: "FLOAT",
        c.TITLE: "STRING",
        c.SIMILAR_TITLE: "STRING",
    },
)
