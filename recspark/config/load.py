"""Loads a Config from the command line and YAML files; an unknown name is refused, with a hint.

Layers, later ones win: defaults < model preset < --config files in their order < command line.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import jsonargparse

from recspark.config import Config
from recspark.config.explain import did_you_mean, explain
from recspark.config.files import require_config_files
from recspark.config.list_blend import ListBlendConfig
from recspark.config.presets import presets_folder
from recspark.config.words import CONFIG_SUFFIXES, has_option, normalise
from recspark.contract.paths import BLEND, BLENDS
from recspark.errors import ConfigError, describe
from recspark.files import storage

logger = logging.getLogger(__name__)

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)

Section = TypeVar("Section")


def load_config(argv: Sequence[str], prog: str) -> Config:
    """Return the run's config without any model's preset; `--help` and `--print_config` exit.

    Raises:
        ConfigError: A key is unknown, a value has the wrong type, or a file is missing.
    """
    argv = normalise(argv, Config)
    if "--print_config" in argv:
        config, files = _parse([word for word in argv if word != "--print_config"], prog)
        presets = [_preset(files, config.models[0])] if len(config.models) == 1 else []
        argv = [*presets, *argv]
    config, _ = _parse(argv, prog)
    if left_out := _find_left_out(config, argv):
        logger.info(
            "config: no blend of lists, because --models leaves out %s of list_blend.members",
            ", ".join(left_out),
        )
    return _narrow(config, argv)


def load_model_configs(
    argv: Sequence[str], prog: str, *, takes_blend: bool = False
) -> dict[str, Config]:
    """Return the config of each of the run's models, its preset layered under the files.

    Args:
        argv: The words of the command line.
        prog: Name of the program, for messages.
        takes_blend: Whether the blends, which have no preset, may be among the models.

    Raises:
        ConfigError: As `load_config`; also where a preset is missing or names no model.
    """
    argv = normalise(argv, Config)
    configs = {}
    run, files = _parse(argv, prog)
    for model in run.models:
        if model in BLENDS and takes_blend:
            configs[model] = _narrow(run, argv)
            continue
        config, _ = _parse([_preset(files, model), *argv], prog)
        if (config.baseline.algorithm is None) == (config.train.architecture is None):
            raise ConfigError(
                describe(
                    f"preset {model}",
                    found=f"baseline.algorithm {config.baseline.algorithm}, "
                    f"train.architecture {config.train.architecture}",
                    expected="exactly one of them",
                    remedy=f"Name the model in {model}.yaml and in no --config file.",
                )
            )
        configs[model] = _narrow(config, argv)
    return configs


def load_settings(section: type[Section], argv: Sequence[str], prog: str) -> Section:
    """Return the settings of a dataclass other than Config, read just as strictly.

    Raises:
        ConfigError: As `load_config`.
    """
    values = _parse_values(normalise(argv, section), prog, section)
    del values["config"]
    return section(**values)


def override(config: Config, values: Mapping[str, Any]) -> Config:
    """Return the config with some settings changed, checked as strictly as those of a file.

    Args:
        config: A resolved config.
        values: Path of a setting, such as `train.reg`, to its value.

    Raises:
        ConfigError: A setting is unknown, or a value has the wrong type or is out of range.
    """
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *sections, name = path.split(".")
        functools.reduce(lambda at, part: at.setdefault(part, {}), sections, nested)[name] = value
    parser = _cached_parser("settings", Config)
    try:
        typed = parser.instantiate(parser.parse_object(nested))
    except (argparse.ArgumentError, jsonargparse.ArgumentError, TypeError) as error:
        raise ConfigError(explain(str(error), Config)) from error
    return cast(Config, _replace(config, nested, typed))


def _replace(section: Any, nested: Mapping[str, Any], typed: Any) -> Any:
    """Return a dataclass with the fields that `nested` names taken from `typed`."""
    changes = {}
    for name, value in nested.items():
        mine, theirs = getattr(section, name), getattr(typed, name)
        is_section = dataclasses.is_dataclass(mine)
        changes[name] = _replace(mine, value, theirs) if is_section else theirs
    return dataclasses.replace(section, **changes)


def build_parser(prog: str, section: type) -> jsonargparse.ArgumentParser:
    """Return a parser of --config files and of the settings of a dataclass."""
    parser = jsonargparse.ArgumentParser(
        prog=prog, exit_on_error=False, allow_abbrev=False, description=__doc__
    )
    parser.add_argument("--config", action="config", help="YAML file; may be given several times.")
    parser.add_class_arguments(section, fail_untyped=True)
    return parser


_cached_parser = functools.cache(build_parser)


def _parse(argv: Sequence[str], prog: str) -> tuple[Config, list[Path]]:
    """Return the config and the --config files that it was read from."""
    values = _parse_values(argv, prog, Config)
    files = [Path(str(path)) for path in values.pop("config") or []]
    return _fill_in(Config(**values), files), files


def _parse_values(argv: Sequence[str], prog: str, section: type) -> dict[str, Any]:
    require_config_files(argv, section)
    parser = _cached_parser(prog, section)
    try:
        values = vars(parser.instantiate(parser.parse_args(list(argv))))
    except (argparse.ArgumentError, jsonargparse.ArgumentError, TypeError) as error:
        raise ConfigError(explain(str(error), section)) from error
    return {name: value for name, value in values.items() if not name.startswith("_")}


def _fill_in(config: Config, files: Sequence[Path]) -> Config:
    """Return the config with its name and its absolute run directory."""
    sources = [file for file in files if file.parent.name not in ("models", "presets")]
    name = config.name or (sources[0].stem if sources else "")
    if not name and files:
        raise ConfigError(
            describe(
                f"--config {files[0]}",
                found="only the preset of a model",
                expected="the config of a data set",
                remedy="Name one, and the model: --config conf/movielens-100k.yaml "
                f"--models {files[0].stem}.",
            )
        )
    if not name:
        raise ConfigError(
            describe(
                "config",
                found="neither --config nor --name",
                expected="one of them",
                remedy="Try --config conf/movielens-100k.yaml; --help lists the settings.",
            )
        )
    run_dir = storage.absolute(config.run_dir or f"runs/{name}")
    return dataclasses.replace(config, name=name, run_dir=run_dir)


def _narrow(config: Config, argv: Sequence[str]) -> Config:
    """Return the config without the blend of lists if `--models` leaves members of it out."""
    if not _find_left_out(config, argv):
        return config
    return dataclasses.replace(config, list_blend=ListBlendConfig())


def _find_left_out(config: Config, argv: Sequence[str]) -> list[str]:
    """Return the members of the config's blend of lists that `--models` on argv does not name.

    It often names fewer models than the config blends. Members on argv too are meant as they are.
    """
    if not has_option(argv, "--models") or has_option(argv, "--list_blend.members"):
        return []
    made = {*config.models, *([BLEND] if config.blend.members else [])}
    return [name for name in config.list_blend.members if name not in made]


def _preset(files: Sequence[Path], model: str) -> str:
    """Return `--config=<file>` for a preset: from models/ beside a --config file, else ours."""
    if model in BLENDS:
        raise ConfigError(
            describe(
                "models",
                found=model,
                expected="models that have a preset",
                remedy="The job blend makes it from the members that its section names, and "
                "evaluate measures it. Only score_pairs and recommend take it by name. Remove it "
                "from models.",
            )
        )
    folders = [*(file.parent / "models" for file in files), presets_folder()]
    for folder in folders:
        for suffix in CONFIG_SUFFIXES:
            if (folder / f"{model}{suffix}").is_file():
                return f"--config={folder / model}{suffix}"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.y*ml")})
    hint = did_you_mean(model, known)
    raise ConfigError(
        describe(
            "models",
            found=f"{model}, which has no preset",
            expected="the name of a model",
            remedy=f"{hint} The models are {', '.join(known)}.".lstrip(),
        )
    )
