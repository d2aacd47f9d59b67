"""The jobs: what each does, which settings it shows, and what is checked before Spark starts.

Stages are imported when a job is called: in a broken environment it is those imports that fail,
and the environment check speaks first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recspark.config import Config
from recspark.errors import ConfigError, describe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What a job is asked for.

    Attributes:
        config: The run's own config.
        models: Each model's config, its preset layered in, by name.
        names_models: Whether `--models` stood on the command line, and not in a file alone.
    """

    config: Config
    models: Mapping[str, Config]
    names_models: bool = False


Body = Callable[[Request, Any], None]
"""Does the job, with the Spark session (None where the job runs without one)."""
Check = Callable[[Request], None]
"""Raises a RecsparkError about a mistake that can be seen without Spark."""


def no_check(request: Request) -> None:
    """Accept the request."""


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        name: Its name, as in `recspark <name>` and `jobs/<name>.py`.
        summary: What it does, in one line.
        sections: The sections of the config that it reads, and `until` where it reads that.
        body: The job itself.
        check: What is looked at before the session is made.
        uses_spark: Whether it needs a session.
    """

    name: str
    summary: str
    sections: tuple[str, ...]
    body: Body
    check: Check = no_check
    uses_spark: bool = True


def _run_pipeline(request: Request, spark: Any) -> None:
    from recspark.stages import pipeline

    pipeline.run(request.config, request.models, spark)


def _check_pipeline(request: Request) -> None:
    from recspark.stages import pipeline

    config = request.config
    pipeline.check_models(config, request.models)
    _check_ingest(request)
    if config.until == "ingest":
        return
    _require_held_out(config)
    is_listed = any(name in request.models for name in config.recommend.models)
    if config.until not in ("prepare", "fit") and is_listed:
        _require_users(config)


def _run_ingest(request: Request, spark: Any) -> None:
    from recspark.stages import ingest

    ingest.run(request.config, spark)


def _check_ingest(request: Request) -> None:
    from recspark.stages.ingest import find_raw_files

    find_raw_files(request.config.ingest)


def _run_explore(request: Request, spark: Any) -> None:
    from recspark.stages import explore

    explore.run(request.config, spark)


def _run_prepare(request: Request, spark: Any) -> None:
    from recspark.stages import prepare

    prepare.run(request.config, spark)


def _check_prepare(request: Request) -> None:
    _require(request, "ratings", "ingest")
    _require_held_out(request.config)


def _run_baseline(request: Request, spark: Any) -> None:
    from recspark.stages import baseline

    for name, settings in _choose_made(request, "baseline").items():
        baseline.run(settings, name, spark)


def _check_baseline(request: Request) -> None:
    _require_made(request, "baseline")
    _require(request, "train", "prepare")


def _run_train(request: Request, spark: Any) -> None:
    from recspark.stages import train

    for name, settings in _choose_made(request, "train").items():
        train.run(settings, name, spark)


def _check_train(request: Request) -> None:
    _require_made(request, "train")
    _require(request, "train", "prepare")
    _require(request, "valid", "prepare")


def _run_score(request: Request, spark: Any) -> None:
    from recspark.stages import score

    for name, settings in request.models.items():
        score.run(settings, name, spark)


def _check_score(request: Request) -> None:
    _require(request, "train", "prepare")


def _run_score_pairs(request: Request, spark: Any) -> None:
    from recspark.stages import score_pairs

    for name, settings in request.models.items():
        score_pairs.run(settings, name, spark)


def _check_score_pairs(request: Request) -> None:
    from recspark.scoring.pair_files import require_pair_files

    pairs = request.config.score_pairs.pairs
    if pairs is not None:
        require_pair_files(pairs)
    else:
        _require(request, "qualifying", "ingest")
    _require(request, "train", "prepare")


def _run_blend(request: Request, spark: Any) -> None:
    from recspark.stages import blend

    blend.run(request.config, spark)


def _check_blend(request: Request) -> None:
    from recspark.stages import blend

    blend.require_members(request.config)
    _require(request, "train", "prepare")


def _run_evaluate(request: Request, spark: Any) -> None:
    from recspark.stages import evaluate

    evaluate.run(request.models, spark)


def _run_recommend(request: Request, spark: Any) -> None:
    from recspark.recommend.choose import choose_models
    from recspark.stages import recommend

    chosen = choose_models(request.config.recommend.models, request.models, "recommend.models")
    for name, settings in chosen.items():
        recommend.run(settings, name, spark)


def _check_recommend(request: Request) -> None:
    from recspark.recommend.choose import choose_models

    choose_models(request.config.recommend.models, request.models, "recommend.models")
    _require_users(request.config)
    _require(request, "train", "prepare")


def _run_similar(request: Request, spark: Any) -> None:
    from recspark.recommend.choose import choose_models
    from recspark.stages import similar

    chosen = choose_models(request.config.similar.models, request.models, "similar.models")
    for name, settings in chosen.items():
        similar.run(settings, name, spark)


def _check_similar(request: Request) -> None:
    from recspark.recommend.choose import choose_models

    choose_models(request.config.similar.models, request.models, "similar.models")
    _require(request, "train", "prepare")


def _run_report(request: Request, spark: Any) -> None:
    from recspark.stages import report

    report.run(request.config, spark)


def _check_ratings(request: Request) -> None:
    _require(request, "ratings", "ingest")


def _run_gate(request: Request, spark: Any) -> None:
    from recspark.stages import gate

    gate.run(request.config)


def _require(request: Request, data_set: str, stage: str) -> None:
    """Require a data set of the run that the job starts from."""
    from recspark.contract.paths import RunPaths
    from recspark.datasets.manifest import require_manifest

    require_manifest(getattr(RunPaths(request.config.root), data_set), stage)


def _require_held_out(config: Config) -> None:
    from recspark.prepare.pairs import require_pairs_file

    if config.prepare.pairs:
        require_pairs_file(config.prepare.pairs)


def _require_users(config: Config) -> None:
    from recspark.recommend.user_list import require_user_list

    if config.recommend.users:
        require_user_list(config.recommend.users)


def _maker(settings: Config) -> str:
    """Return the job that makes a model."""
    return "baseline" if settings.baseline.algorithm else "train"


def _require_made(request: Request, job: str) -> None:
    """Refuse models that were named on the command line and that another job makes."""
    others = [name for name, settings in request.models.items() if _maker(settings) != job]
    if others and request.names_models:
        maker = _maker(request.models[others[0]])
        raise ConfigError(
            describe(
                "models",
                found=", ".join(others),
                expected=f"models that {job} makes",
                remedy=f"The job {maker} makes {', '.join(others)}: name them to that one.",
            )
        )


def _choose_made(request: Request, job: str) -> dict[str, Config]:
    """Return the models that a job makes; tell which of the config's it leaves to another."""
    made = {name: one for name, one in request.models.items() if _maker(one) == job}
    others = [name for name in request.models if name not in made]
    if others:
        maker = _maker(request.models[others[0]])
        logger.info("%s: leaves %s to the job %s, which makes it", job, ", ".join(others), maker)
    return made


_PIPELINE_SECTIONS = (
    *("until", "spark", "ingest", "prepare", "baseline", "train", "blend"),
    *("recommend", "similar", "evaluate", "report"),
)

JOBS = {
    job.name: job
    for job in (
        Job(
            "pipeline",
            "Every stage in one session: raw text to leaderboard and report.",
            _PIPELINE_SECTIONS,
            _run_pipeline,
            _check_pipeline,
        ),
        Job(
            "ingest",
            "Raw text to ratings, movies and rejects.",
            ("spark", "ingest"),
            _run_ingest,
            _check_ingest,
        ),
        Job(
            "explore",
            "Ratings and movies to statistics and a page of plots.",
            ("spark",),
            _run_explore,
            _check_ratings,
        ),
        Job(
            "prepare",
            "Ratings to user and movie index, train, valid and test.",
            ("spark", "prepare"),
            _run_prepare,
            _check_prepare,
        ),
        Job(
            "baseline",
            "Fit the models that Spark fits: bias, cosine_user, als.",
            ("spark", "baseline"),
            _run_baseline,
            _check_baseline,
        ),
        Job(
            "train",
            "Train the models that PyTorch trains, on one or more ranks.",
            ("spark", "train"),
            _run_train,
            _check_train,
        ),
        Job(
            "score",
            "Test and saved models to predictions.",
            ("spark",),
            _run_score,
            _check_score,
        ),
        Job(
            "blend",
            "Combine several models into one, and score with it.",
            ("spark", "blend"),
            _run_blend,
            _check_blend,
        ),
        Job(
            "evaluate",
            "Predictions to metrics of each model and the leaderboard.",
            ("spark", "evaluate", "blend"),
            _run_evaluate,
        ),
        Job(
            "recommend",
            "For each user the movies that a model rates highest.",
            ("spark", "recommend"),
            _run_recommend,
            _check_recommend,
        ),
        Job(
            "similar",
            "For each movie the movies most like it.",
            ("spark", "similar"),
            _run_similar,
            _check_similar,
        ),
        Job(
            "score_pairs",
            "Pairs of raw ids to predictions, in their order.",
            ("spark", "score_pairs"),
            _run_score_pairs,
            _check_score_pairs,
        ),
        Job(
            "report",
            "A run directory to one page about it.",
            ("spark", "report"),
            _run_report,
            _check_ratings,
        ),
        Job(
            "gate",
            "Compare a run with the accepted one: pass, or exit code 7.",
            ("gate",),
            _run_gate,
            uses_spark=False,
        ),
    )
}
