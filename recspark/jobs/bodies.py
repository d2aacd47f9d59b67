"""The bodies of the jobs.

A stage is imported only when its job runs: in a broken environment that import fails, and the
environment check must report first.
"""

from __future__ import annotations

import logging
from typing import Any

from recspark.config import Config
from recspark.config.order import bases_first
from recspark.jobs.job import Request, maker_of

logger = logging.getLogger(__name__)


def run_pipeline(request: Request, spark: Any) -> None:
    """Run every stage in one session."""
    from recspark.stages import pipeline

    pipeline.run(request.config, request.models, spark)


def run_ingest(request: Request, spark: Any) -> None:
    """Ingest the raw files."""
    from recspark.stages import ingest

    ingest.run(request.config, spark)


def run_explore(request: Request, spark: Any) -> None:
    """Make the page about the raw ratings."""
    from recspark.stages import explore

    explore.run(request.config, spark)


def run_prepare(request: Request, spark: Any) -> None:
    """Index and split the ratings."""
    from recspark.stages import prepare

    prepare.run(request.config, spark)


def run_baseline(request: Request, spark: Any) -> None:
    """Fit the models that Spark fits."""
    from recspark.stages import baseline

    for name, settings in bases_first(_choose_made(request, "baseline")).items():
        baseline.run(settings, name, spark)


def run_train(request: Request, spark: Any) -> None:
    """Train the models that PyTorch trains; the session is None in a process of torchrun."""
    from recspark.stages import train

    models = _choose_made(request, "train")
    if spark is None:
        train.run_as_rank(models)
        return
    for name, settings in models.items():
        train.run(settings, name, spark)


def run_tune(request: Request, spark: Any) -> None:
    """Search better settings of each model, on valid alone."""
    from recspark.stages import tune

    for name, settings in request.models.items():
        tune.run(settings, name, spark, request.words)


def run_score(request: Request, spark: Any) -> None:
    """Score test with each model that predicts ratings."""
    from recspark.stages import score

    for name, settings in request.models.items():
        if settings.ranks_only:
            logger.info("score: skips %s, which ranks and predicts no ratings", name)
        else:
            score.run(settings, name, spark)


def run_score_pairs(request: Request, spark: Any) -> None:
    """Score the requested pairs with each model."""
    from recspark.stages import score_pairs

    for name, settings in request.models.items():
        score_pairs.run(settings, name, spark)


def run_blend(request: Request, spark: Any) -> None:
    """Fit the blend and score test with it; make the blend of lists."""
    from recspark.stages import blend, list_blend

    if request.config.blend.members:
        blend.run(request.config, spark)
    if request.config.list_blend.members:
        list_blend.run(request.config, spark)


def run_evaluate(request: Request, spark: Any) -> None:
    """Measure each model."""
    from recspark.stages import evaluate

    evaluate.run(request.models, spark)


def run_recommend(request: Request, spark: Any) -> None:
    """Make each user's list with the models that recommend.models names."""
    from recspark.recommend.choose import choose_to_list
    from recspark.stages import recommend, recommend_new

    for name, settings in choose_to_list(request.config, request.models).items():
        recommend.run(settings, name, spark)
        if settings.recommend.histories:
            recommend_new.run(settings, name, spark)


def run_similar(request: Request, spark: Any) -> None:
    """Make each movie's list with the models that similar.models names."""
    from recspark.recommend.choose import choose_models
    from recspark.stages import similar

    chosen = choose_models(request.config.similar.models, request.models, "similar.models")
    for name, settings in chosen.items():
        similar.run(settings, name, spark)


def run_report(request: Request, spark: Any) -> None:
    """Make the page about the run."""
    from recspark.stages import report

    report.run(request.config, spark)


def run_gate(request: Request, spark: Any) -> None:
    """Judge the run's data or a model."""
    from recspark.stages import gate

    gate.run(request.config)


def _choose_made(request: Request, job: str) -> dict[str, Config]:
    """Return the models that a job makes, and log those that it leaves to another job."""
    made = {name: one for name, one in request.models.items() if maker_of(one) == job}
    others = [name for name in request.models if name not in made]
    if others:
        maker = maker_of(request.models[others[0]])
        logger.info("%s: skips %s, which the job %s makes", job, ", ".join(others), maker)
    return made
