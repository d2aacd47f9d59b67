"""The pipeline job: every stage in one session, each skipped if its output is up to date."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pyspark.sql import SparkSession

from recspark.config import Config
from recspark.config.order import bases_first
from recspark.contract.paths import BLEND, LIST_BLEND
from recspark.datasets.lock import RunLock
from recspark.errors import ConfigError, describe
from recspark.page.packages import find_missing
from recspark.scoring.lineage import FALLBACK_MODEL
from recspark.stages import (
    baseline,
    blend,
    evaluate,
    explore,
    ingest,
    list_blend,
    prepare,
    recommend,
    recommend_new,
    report,
    score,
    similar,
)

logger = logging.getLogger(__name__)


def run(config: Config, models: Mapping[str, Config], spark: SparkSession) -> None:
    """Run ingest, prepare, fit and score each model, blend and list if asked, evaluate, report.

    Args:
        config: The run's own settings; `until` is the last part to run.
        models: Model name to its settings, the preset layered in.
        spark: The session of all stages.
    """
    parts: dict[str, Callable[[], None]] = {
        "ingest": partial(ingest.run, config, spark),
        "prepare": partial(prepare.run, config, spark),
        "fit": partial(_fit, models, spark),
        "score": partial(_score, config, models, spark),
        "evaluate": partial(evaluate.run, models, spark),
        "report": partial(_show, config, spark),
    }
    check_models(config, models)
    until = list(parts).index(config.until)
    # Held between the stages too; each stage also locks what it writes and reads.
    with RunLock(config.root, "pipeline", writes=[config.root]):
        for run_part in list(parts.values())[: until + 1]:
            run_part()


def check_models(config: Config, models: Mapping[str, Config]) -> None:
    """Raise a ConfigError if a model that another, scoring or the blend needs is missing."""
    if config.until not in ("ingest", "prepare"):
        _require_bases(config, models)
    if config.until not in ("ingest", "prepare", "fit"):
        _require_fallback(config, models)
        _require_members(config, models)


def _fit(models: Mapping[str, Config], spark: SparkSession) -> None:
    from recspark.stages import train

    for name, settings in bases_first(models).items():
        fit = baseline if settings.baseline.algorithm else train
        fit.run(settings, name, spark)


def _score(config: Config, models: Mapping[str, Config], spark: SparkSession) -> None:
    """Score each model, blend ratings and lists if asked, and make the lists."""
    for name, settings in models.items():
        if not settings.ranks_only:
            score.run(settings, name, spark)
    listed = dict(models)
    if config.blend.members:
        blend.run(config, spark)
        listed[BLEND] = config
    if config.list_blend.members:
        list_blend.run(config, spark)
        listed[LIST_BLEND] = config
    for name in _keep_made("recommend.models", config.recommend.models, listed):
        recommend.run(listed[name], name, spark)
        if listed[name].recommend.histories:
            recommend_new.run(listed[name], name, spark)
    for name in _keep_made("similar.models", config.similar.models, models):
        similar.run(models[name], name, spark)


def _show(config: Config, spark: SparkSession) -> None:
    """Make the pages; without the packages for plots, only warn."""
    missing = find_missing()
    if missing:
        logger.warning(
            "pipeline: no report, because these packages are missing: %s. Run pip install "
            "'recspark[report]' and then the pipeline again",
            ", ".join(missing),
        )
        return
    explore.run(config, spark)
    report.run(config, spark)


def _keep_made(where: str, names: Sequence[str], models: Mapping[str, Config]) -> list[str]:
    """Return the models to make lists with that are in this run, and warn of the others.

    `--models` on the command line often names fewer models than the config makes lists with.
    """
    missing = [name for name in names if name not in models]
    if missing:
        logger.warning(
            "pipeline: no lists of %s, which %s names but models does not (%s)",
            ", ".join(missing),
            where,
            ", ".join(models),
        )
    return [name for name in names if name in models]


def _require_fallback(config: Config, models: Mapping[str, Config]) -> None:
    """Refuse a run that scoring could not finish, before training rather than after."""
    if FALLBACK_MODEL not in models:
        raise ConfigError(
            describe(
                "models",
                found=", ".join(config.models),
                expected=f"{FALLBACK_MODEL} among them, which answers for unseen ids",
                remedy=f"Add it: --models {FALLBACK_MODEL},{','.join(config.models)}",
            )
        )


def _require_bases(config: Config, models: Mapping[str, Config]) -> None:
    """Refuse a model that corrects one which this run does not make."""
    for name, settings in models.items():
        base = settings.baseline.base
        if base is not None and base not in models:
            raise ConfigError(
                describe(
                    f"baseline.residual_neighbors.base of {name}",
                    found=f"{base}, not in models",
                    expected=f"some of {', '.join(config.models)}",
                    remedy=f"Add it: --models {base},{','.join(config.models)}",
                )
            )


def _require_members(config: Config, models: Mapping[str, Config]) -> None:
    """Refuse blends of models that this run does not make."""
    blended = [BLEND] if config.blend.members else []
    members = {
        "blend.members": (config.blend.members, [*models]),
        "list_blend.members": (config.list_blend.members, [*models, *blended]),
    }
    for where, (names, made) in members.items():
        missing = [name for name in names if name not in made]
        if missing:
            raise ConfigError(
                describe(
                    where,
                    found=f"{', '.join(missing)}, not in models",
                    expected=f"some of {', '.join(made)}",
                    remedy=f"Add to models, or remove from {where}: {', '.join(missing)}.",
                )
            )
    blend.refuse_rankers([name for name in config.blend.members if models[name].ranks_only])
