"""Checks that find a request's mistakes without Spark, before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from recspark.config import Config
from recspark.contract import catalog
from recspark.contract.catalog import DataSet
from recspark.contract.paths import BLEND, LIST_BLEND, RunPaths
from recspark.errors import ConfigError, describe
from recspark.jobs.job import Request, maker_of


def check_pipeline(request: Request) -> None:
    """Check the models that scoring, blend and lists need, and the files that will be read."""
    from recspark.stages import pipeline

    config = request.config
    pipeline.check_models(config, request.models)
    check_ingest(request)
    if config.until == "ingest":
        return
    _require_held_out(config)
    made = dict(request.models)
    if config.blend.members:
        made[BLEND] = config
    if config.list_blend.members:
        made[LIST_BLEND] = config
    listed = {name: made[name] for name in config.recommend.models if name in made}
    if config.until not in ("prepare", "fit") and listed:
        _require_lists(listed)
        _require_histories(listed, "recommend")


def check_ingest(request: Request) -> None:
    """Check the raw files."""
    from recspark.stages.ingest import find_raw_files

    find_raw_files(request.config.ingest)


def check_prepare(request: Request) -> None:
    """Check the ratings, and the file of held-out pairs."""
    _require(request, catalog.RATINGS)
    _require_held_out(request.config)


def check_baseline(request: Request) -> None:
    """Check the models asked for, and train."""
    _require_made(request, "baseline")
    _require(request, catalog.TRAIN)


def check_train(request: Request) -> None:
    """Check the models asked for, train and valid."""
    _require_made(request, "train")
    _require(request, catalog.TRAIN)
    _require(request, catalog.VALID)


def check_tune(request: Request) -> None:
    """Check the packages, the ranges of the search, train and valid."""
    from recspark.page.packages import PACKAGES, require_packages
    from recspark.tuning.space import require_spaces

    require_packages("tune", ("optuna", *PACKAGES), extra="tune")
    require_spaces(request.models)
    _require(request, catalog.TRAIN)
    _require(request, catalog.VALID)


def check_score(request: Request) -> None:
    """Check train."""
    _require(request, catalog.TRAIN)


def check_score_pairs(request: Request) -> None:
    """Check the pairs to score, that the models suit them, and train."""
    from recspark.scoring.pair_files import require_pair_files
    from recspark.stages.score_pairs import require_ratings

    for name, settings in request.models.items():
        require_ratings(settings, name)
    pairs = request.config.score_pairs.pairs
    if pairs is not None:
        require_pair_files(pairs)
    else:
        _require(request, catalog.QUALIFYING)
    _require_histories(request.models, "score_pairs")
    _require(request, catalog.TRAIN)


def check_blend(request: Request) -> None:
    """Check the members of the blends, and train."""
    from recspark.stages import blend

    if not request.config.list_blend.members:
        blend.require_members(request.config)
    _require(request, catalog.TRAIN)


def check_recommend(request: Request) -> None:
    """Check the models asked for, the files of ids, and train."""
    from recspark.recommend.choose import choose_to_list

    listed = choose_to_list(request.config, request.models)
    _require_lists(listed)
    _require_histories(listed, "recommend")
    _require(request, catalog.TRAIN)


def check_similar(request: Request) -> None:
    """Check the models asked for, and train."""
    from recspark.recommend.choose import choose_models

    choose_models(request.config.similar.models, request.models, "similar.models")
    _require(request, catalog.TRAIN)


def check_ratings(request: Request) -> None:
    """Check the ratings."""
    _require(request, catalog.RATINGS)


def _require(request: Request, kind: DataSet) -> None:
    """Require a data set of the run that the job reads."""
    from recspark.datasets.manifest import require_manifest

    require_manifest(RunPaths(request.config.root).of(kind), kind)


def _require_held_out(config: Config) -> None:
    from recspark.prepare.pairs import require_pairs_file

    if config.prepare.pairs:
        require_pairs_file(config.prepare.pairs)


def _require_lists(listed: Mapping[str, Config]) -> None:
    """Check the models that lists are made with, and the files of ids."""
    from recspark.recommend.caution import require_caution_to_fit
    from recspark.recommend.id_list import require_id_list

    require_caution_to_fit(listed)
    for config in listed.values():
        for setting, path in config.recommend.file_settings.items():
            require_id_list(path, setting)


def _require_histories(
    models: Mapping[str, Config], section: Literal["recommend", "score_pairs"]
) -> None:
    """Check the files of new users, and the models that are to answer for them."""
    from recspark.recommend.history_files import find_histories
    from recspark.scoring.fold_in import require_fold_in

    where = f"{section}.histories"
    paths = {name: getattr(one, section).histories for name, one in models.items()}
    require_fold_in({name: models[name] for name, path in paths.items() if path}, where)
    for path in {path for path in paths.values() if path}:
        find_histories(path, where)


def _require_made(request: Request, job: str) -> None:
    """Refuse a command line that names only models which another job makes."""
    others = [name for name, settings in request.models.items() if maker_of(settings) != job]
    if request.names_models and len(others) == len(request.models):
        maker = maker_of(request.models[others[0]])
        raise ConfigError(
            describe(
                "models",
                found=", ".join(others),
                expected=f"models that {job} makes",
                remedy=f"The job {maker} makes {', '.join(others)}. Run that job instead.",
            )
        )
