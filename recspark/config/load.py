"""Command line and YAML files to a Config: strict, with the nearest valid name in every refusal.

Layers, later ones win: defaults < model preset < --config files in their order < command line.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import jsonargparse

from recspark.config import Config
from recspark.config.presets import presets_folder
from recspark.errors import ConfigError, describe
from recspark.files import storage

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)

Section = TypeVar("Section")

# Options whose value is a list of names.
_LISTS = ("--models", "--blend.members", "--recommend.models", "--similar.models")
_OPTION = re.compile(r"--([\w.]+)|[Oo]ption '([\w.]+)'|[Kk]ey '([\w.]+)'")
_GROUP = re.compile(r"Group '([\w.]+)'")


def load_config(argv: Sequence[str], prog: str) -> Config:
    """Return the run's config without any model's preset; `--help` and `--print_config` exit.

    Raises:
        ConfigError: A key is unknown, a value has the wrong type, or a file is missing.
    """
    argv = _normalise(argv)
    if "--print_config" in argv:
        config, files = _parse([word for word in argv if word != "--print_config"], prog)
        presets = [_preset(files, config.models[0])] if len(config.models) == 1 else []
        argv = [*presets, *argv]
    return _parse(argv, prog)[0]


def load_model_configs(argv: Sequence[str], prog: str) -> dict[str, Config]:
    """Return the config of each of the run's models, its preset layered under the files.

    Raises:
        ConfigError: As `load_config`; also where a preset is missing or names no model.
    """
    argv = _normalise(argv)
    configs = {}
    run, files = _parse(argv, prog)
    for model in run.models:
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
        configs[model] = config
    return configs


def load_settings(section: type[Section], argv: Sequence[str], prog: str) -> Section:
    """Return settings that are not a run's, read as strictly: a dataclass like `section`.

    Raises:
        ConfigError: As `load_config`.
    """
    values = _parse_values(_normalise(argv), prog, section)
    del values["config"]
    return section(**values)


def _normalise(argv: Sequence[str]) -> list[str]:
    """Return argv with `--force` and lists like `--models als,bias` as YAML values."""
    words: list[str] = []
    for word in argv:
        if word == "--force":
            word = "--force=true"
        elif words and words[-1] in _LISTS and not word.startswith("["):
            word = f"[{word}]"
        words.append(word)
    return words


def _parse(argv: Sequence[str], prog: str) -> tuple[Config, list[Path]]:
    """Return the config and the --config files it came from."""
    values = _parse_values(argv, prog, Config)
    files = [Path(str(path)) for path in values.pop("config") or []]
    config = Config(**values)
    return _fill_in(
        config, [file for file in files if file.parent.name not in ("models", "presets")]
    ), files


def _parse_values(argv: Sequence[str], prog: str, section: type) -> dict[str, Any]:
    parser = _build_parser(prog, section)
    try:
        values = vars(parser.instantiate(parser.parse_args(list(argv))))
    except (argparse.ArgumentError, jsonargparse.ArgumentError, TypeError) as error:
        raise ConfigError(_explain(str(error), _dotted_keys(section))) from error
    return {name: value for name, value in values.items() if not name.startswith("_")}


@functools.cache
def _build_parser(prog: str, section: type) -> jsonargparse.ArgumentParser:
    parser = jsonargparse.ArgumentParser(
        prog=prog, exit_on_error=False, allow_abbrev=False, description=__doc__
    )
    parser.add_argument("--config", action="config", help="YAML file; may be given several times.")
    parser.add_class_arguments(section, fail_untyped=True)
    return parser


def _fill_in(config: Config, sources: Sequence[Path]) -> Config:
    name = config.name or (sources[0].stem if sources else "")
    if not name:
        raise ConfigError(
            describe(
                "config",
                found="neither --config nor --name",
                expected="one of them",
                remedy="Try --config conf/movielens-100k.yaml; --help lists every setting.",
            )
        )
    run_dir = storage.absolute(config.run_dir or f"runs/{name}")
    return dataclasses.replace(config, name=name, run_dir=run_dir)


def _preset(files: Sequence[Path], model: str) -> str:
    """Return `--config=<file>` for a preset: in models/ beside a --config file, else ours."""
    folders = [*(file.parent / "models" for file in files), presets_folder()]
    for folder in folders:
        path = folder / f"{model}.yaml"
        if path.exists():
            return f"--config={path}"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise ConfigError(
        describe(
            f"model {model}",
            found=f"no preset {folders[0] / model}.yaml",
            expected=f"one of {', '.join(known)}",
            remedy=_did_you_mean(model, known) or "Change `models` in the config.",
        )
    )


def _dotted_keys(section: type, prefix: str = "") -> list[str]:
    keys = []
    for item in dataclasses.fields(section):
        keys.append(prefix + item.name)
        default = item.default_factory
        if dataclasses.is_dataclass(default):
            keys += _dotted_keys(default, f"{prefix}{item.name}.")
    return keys


def _explain(message: str, keys: Sequence[str]) -> str:
    """Return jsonargparse's refusal with the nearest valid key added where a key was misspelt."""
    lines = " ".join(message.split())
    match = _OPTION.search(message)
    if match is None:
        return f"config: {lines}"
    key = next(group for group in match.groups() if group)
    group = _GROUP.search(message)
    full = f"{group.group(1)}.{key}" if group and not key.startswith(group.group(1)) else key
    if full in keys:
        return f"config: {lines}"
    return f"config: {lines}. {_did_you_mean(full, keys)}".rstrip()


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Did you mean {nearest[0]}?" if nearest else ""
