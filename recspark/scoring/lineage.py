"""Opens only models that are complete and were fitted on the current train."""

from __future__ import annotations

from recspark.config import Config
from recspark.contract.catalog import MODELS, TRAIN
from recspark.contract.paths import BLENDS, RANKS_ONLY, RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, read_manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.train_buckets import locate_train
from recspark.errors import DataError, describe
from recspark.scoring.load import SavedModel
from recspark.scoring.predict import Scoring

FALLBACK_MODEL = "bias"


def require_scoring(config: Config, model_name: str) -> tuple[Scoring, dict[str, str]]:
    """Return a model with its fallback and rating scale, and the manifest ids of both models.

    A model that ranks has neither.

    Raises:
        DataError: As `require_model`, for the model or the fallback.
    """
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, TRAIN)
    model, model_id = require_model(config, model_name)
    if require_manifest(paths.model(model_name), MODELS).counts.get(RANKS_ONLY):
        return Scoring(model), {"model": model_id}
    found = read_manifest(paths.model(FALLBACK_MODEL))
    if found is None:
        raise DataError(
            describe(
                paths.model(FALLBACK_MODEL),
                found="no finished model",
                expected="the bias model, which answers where a model cannot",
                remedy="Run jobs/baseline.py with the same --config and --models '[bias]' first.",
            )
        )
    fallback = saved_model(paths, FALLBACK_MODEL, found, train)
    facts = PreparedFacts.of(train)
    scoring = Scoring(model, fallback, lowest=facts.rating_min, highest=facts.rating_max)
    return scoring, {"model": model_id, "fallback": found.id}


def require_model(config: Config, model_name: str) -> tuple[SavedModel, str]:
    """Return a finished model of the current train, and its manifest id.

    Raises:
        DataError: The model is missing or incomplete, or was fitted on another train, so that its
            indexes mean other users and movies.
    """
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, TRAIN)
    manifest = require_manifest(paths.model(model_name), MODELS.made_by(_job(config, model_name)))
    return saved_model(paths, model_name, manifest, train), manifest.id


def saved_model(paths: RunPaths, name: str, manifest: Manifest, train: Manifest) -> SavedModel:
    """Return the location of a finished model.

    Raises:
        DataError: It was fitted on another train, so that its indexes mean other users and movies;
            or it predicts with a model that has been fitted again since.
    """
    require_current(paths.model(name), manifest, train=train)
    buckets = locate_train(paths.train, train)
    num_buckets = PreparedFacts.of(train).num_buckets
    parts = []
    for part, key in parts_of(manifest):
        found = require_manifest(paths.model(part), MODELS)
        require_current(paths.model(name), manifest, **{key: found})
        parts.append(saved_model(paths, part, found, train))
    return SavedModel(
        folder=paths.model(name),
        id=manifest.id,
        num_buckets=num_buckets,
        train=buckets,
        valid=paths.valid,
        parts=tuple(parts),
    )


def _job(config: Config, model_name: str) -> str:
    """Return the job that makes a model."""
    if model_name in BLENDS:
        return "blend"
    return "baseline" if config.baseline.algorithm else "train"


def parts_of(manifest: Manifest) -> list[tuple[str, str]]:
    """Return the models that a model predicts with, each with its name among the inputs.

    In the order of `SavedModel.parts`; the fallback of a blend may be one of its members too, and
    a blend of lists has none.
    """
    if base := manifest.counts.get("base"):
        return [(base, f"models/{base}")]
    members = [member["model"] for member in manifest.counts.get("members", [])]
    parts = [(name, f"models/{name}") for name in members]
    has_fallback = members and not manifest.counts.get(RANKS_ONLY)
    return [*parts, (FALLBACK_MODEL, "fallback")] if has_fallback else parts
