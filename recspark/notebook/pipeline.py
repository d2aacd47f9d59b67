"""Runs the pipeline from Python: settings from YAML or a dict, in an existing or a new session."""

from __future__ import annotations

import contextlib
import os
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from recspark.cluster.environment import check_environment
from recspark.config import Config
from recspark.config.load import load_config, load_model_configs
from recspark.errors import ConfigError, RecsparkError, describe, from_task

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NAME = "recspark.run"


def run_pipeline(
    config: str | os.PathLike[str] | Mapping[str, Any], overrides: Mapping[str, Any]
) -> str:
    """Run the pipeline and return the run directory. See `recspark.run`."""
    check_environment()
    run_config, models = read_settings(config, overrides)
    from recspark.stages import pipeline

    with _session(run_config) as spark:
        try:
            pipeline.run(run_config, models, spark)
        except RecsparkError:
            raise
        except Exception as error:
            raised = from_task(error)
            if raised is None:
                raise
            # Without Spark's error, whose text shows credentials and a page of JVM stack trace.
            raise raised from None
    return run_config.root


def read_settings(
    config: str | os.PathLike[str] | Mapping[str, Any], overrides: Mapping[str, Any]
) -> tuple[Config, dict[str, Config]]:
    """Return the run's settings and each model's, as the jobs would read them.

    Raises:
        ConfigError: As in `load_config`, or `config` is neither a path nor a mapping.
    """
    if not isinstance(config, (str, os.PathLike, Mapping)):
        raise ConfigError(
            describe(
                _NAME,
                found=f"a config of type {type(config).__name__}",
                expected="the path of a YAML file, or a dict of settings",
                remedy='E.g. recspark.run("conf/movielens-100k.yaml").',
            )
        )
    with tempfile.TemporaryDirectory(prefix="recspark-") as folder:
        if isinstance(config, Mapping):
            file = _write_yaml(Path(folder, "config.yaml"), _named(_nest(config), _nest(overrides)))
        else:
            file = os.fspath(config)
        words = ["--config", file]
        if overrides:
            words += ["--config", _write_yaml(Path(folder, "overrides.yaml"), _nest(overrides))]
        return load_config(words, prog=_NAME), load_model_configs(words, prog=_NAME)


def _named(settings: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings from a dict with a run name added, which a file would supply."""
    given = {**settings, **overrides}
    name = given.get("name") or posixpath.basename(str(given.get("run_dir") or "").rstrip("/"))
    if not name:
        raise ConfigError(
            describe(
                _NAME,
                found="neither name nor run_dir",
                expected="one of them",
                remedy='Give the run a name: {"name": "mine", ...} is stored in runs/mine.',
            )
        )
    return {**settings, "name": name}


def _nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with dotted keys split: `train.epochs` becomes `epochs` in `train`."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, last = str(key).split(".")
        at = nested
        for section in sections:
            at = at.setdefault(section, {})
            if not isinstance(at, dict):
                raise _given_twice(key)
        plain = _plain(value)
        if isinstance(at.get(last), dict) and isinstance(plain, dict):
            at[last] = {**at[last], **plain}
        elif last in at:
            raise _given_twice(key)
        else:
            at[last] = plain
    return nested


def _given_twice(key: str) -> ConfigError:
    return ConfigError(
        describe(
            _NAME,
            found=f"{key} given twice, nested and dotted",
            expected="each setting once",
            remedy="Remove one of the two.",
        )
    )


def _plain(value: Any) -> Any:
    """Return a value that YAML can write: no tuples, paths or NumPy numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if hasattr(value, "item") else value


def _write_yaml(file: Path, settings: Mapping[str, Any]) -> str:
    try:
        file.write_text(yaml.safe_dump(dict(settings), allow_unicode=True))
    except yaml.YAMLError as error:
        raise ConfigError(
            describe(
                _NAME,
                found=f"a value that YAML cannot write ({error})",
                expected="numbers, text, booleans, lists and dicts",
                remedy="Convert it to one of these.",
            )
        ) from error
    return str(file)


@contextlib.contextmanager
def _session(config: Config) -> Iterator[SparkSession]:
    """Yield the existing session and leave it running, or create one like the jobs' and stop it."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    from recspark.cluster.session import DEFAULTS, create_session

    if SparkContext._active_spark_context is None:
        spark = create_session(config.spark, app_name=f"pipeline {config.name}")
        try:
            yield spark
        finally:
            spark.stop()
        return
    spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    # The session settings that the jobs rely on; other settings belong to the whole application.
    wanted = {name: value for name, value in DEFAULTS.items() if name.startswith("spark.sql.")}
    before = {name: spark.conf.get(name, None) for name in wanted}
    try:
        for name, value in wanted.items():
            spark.conf.set(name, value)
        yield spark
    finally:
        for name, earlier in before.items():
            if earlier is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, earlier)
