"""The score_pairs job: any pairs of raw ids with the prediction of one model, in their order."""

from __future__ import annotations

import posixpath
import re
from dataclasses import asdict

from pyspark.sql import SparkSession

from recspark.arrays.ids import is_text
from recspark.cluster.tasks import commit_parts, sums_of
from recspark.config import Config, ScorePairsConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.catalog import QUALIFYING, TRAIN
from recspark.contract.paths import LIST_BLEND, RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.id_maps import read_index_ids
from recspark.datasets.manifest import require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Output, Step
from recspark.errors import ConfigError, DataError, describe
from recspark.files import storage
from recspark.ingest.pairs import PairColumns, TimeSettings
from recspark.recommend.history_files import find_histories
from recspark.recommend.new_pairs import score_from_histories
from recspark.scoring.contest import PREDICTION_FILE, write_contest
from recspark.scoring.fold_in import open_history_model
from recspark.scoring.lineage import require_scoring
from recspark.scoring.pair_files import plan_pieces
from recspark.scoring.request import score_request

# Of the name of a folder (characters).
_MAX_NAME = 100


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Write `scored_pairs/<file's name>/<model_name>`, one row per requested pair, or none.

    A model that ranks answers with its score, which is null where it has none.

    Without `score_pairs.pairs` the request is the ingested `qualifying`, at its dates, and the
    answer is also written as `contest/<model_name>/prediction.txt`. With `score_pairs.histories`
    the model answers from them for their users.

    Raises:
        ConfigError: As `require_ratings`.
        DataError: As `plan_pieces` and `require_scoring`; or the indexes are not those of train.
    """
    paths, settings = RunPaths(config.root), config.score_pairs
    require_ratings(config, model_name)
    scoring, inputs = require_scoring(config, model_name)
    train = require_manifest(paths.train, TRAIN)
    user_ids = read_index_ids(paths.user_index, train)
    movie_ids = read_index_ids(paths.movie_index, train)
    columns = _columns(settings)
    kinds = is_text(user_ids), is_text(movie_ids)
    files: list[storage.FileInfo] = []
    if settings.pairs is None:
        inputs["pairs"] = require_manifest(paths.qualifying, QUALIFYING).id
        source = paths.qualifying
        columns = _columns(ScorePairsConfig(time_column=c.RATED_ON))
        outputs = [paths.scored_pairs("qualifying", model_name), paths.contest(model_name)]
    else:
        source = settings.pairs
        files = storage.list_files(source)
        outputs = [paths.scored_pairs(_short_name(source), model_name)]
    histories = None
    if settings.histories is not None:
        open_history_model(scoring.model)
        histories = find_histories(settings.histories, "score_pairs.histories")
        files = [*files, *histories.files]
    step = Step(
        stage="score_pairs",
        settings={"model": model_name, **asdict(settings)},
        inputs=inputs,
        outputs=outputs,
        force=config.force,
        root=paths.root,
        reads=[paths.train, *scoring.folders],
        files=files,
    )
    if step.is_done():
        return
    with step:
        pieces = plan_pieces(spark, source, columns, kinds)
        root = step.staging(outputs[0])
        types = ["STRING" if one else "BIGINT" for one in (pieces[0].kinds if pieces else kinds)]
        schema = schemas.SCORED_PAIRS.with_ids(IdTypes(*types))
        if histories is None or not any(one.num_pairs for one in pieces):
            written = score_request(
                spark, pieces, scoring, user_ids=user_ids, movie_ids=movie_ids, root=root
            )
        else:
            written = score_from_histories(
                spark,
                config,
                histories,
                PreparedFacts.of(train),
                pieces,
                scoring,
                user_ids=user_ids,
                movie_ids=movie_ids,
                root=root,
            )
            schema = schema.with_columns(schemas.NEW_PAIRS)
        num_pairs = commit_parts(written, root)
        published: list[Output] = [(outputs[0], schema, None)]
        if settings.pairs is None:
            target = posixpath.join(step.staging(outputs[1]), PREDICTION_FILE)
            _check_ratings(target, write_contest(root, target), num_pairs)
            published.append((outputs[1], None, {"ratings": num_pairs}))
        step.publish_all(published, sums_of(written))


def require_ratings(config: Config, model_name: str) -> None:
    """Refuse the contest's file of a model that ranks.

    Raises:
        ConfigError: The request is `qualifying`, and the model predicts no ratings.
    """
    if config.score_pairs.pairs is None and (config.ranks_only or model_name == LIST_BLEND):
        raise ConfigError(
            describe(
                "score_pairs.pairs",
                found=f"null, and {model_name}, a model that ranks and predicts no ratings",
                expected="a file of pairs: the contest's file takes ratings",
                remedy="Name the file, or a model that predicts ratings: --models bias",
            )
        )


def _columns(settings: ScorePairsConfig) -> PairColumns:
    time = None
    if settings.time_column is not None:
        names = "score_pairs.time_column", "score_pairs.time_format"
        time = TimeSettings(settings.time_column, settings.time_pattern, names)
    names = "score_pairs.user_column", "score_pairs.movie_column"
    return PairColumns(settings.user_column, settings.movie_column, names, time)


def _short_name(path: str) -> str:
    """Return the file's or folder's name without ending, as a folder name."""
    stem = posixpath.basename(path.rstrip("/")).split(".")[0]
    return re.sub(r"\W+", "_", stem)[:_MAX_NAME].strip("_") or "pairs"


def _check_ratings(path: str, found: int, expected: int) -> None:
    if found != expected:
        raise DataError(
            describe(
                path,
                found=f"{found:,} ratings",
                expected=f"{expected:,}, one for each pair of qualifying",
                remedy="Run with --force. If that fails, report it: recspark must not lose rows.",
            )
        )
