"""Checks of the --config files before they are parsed as settings."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from recspark.config.fields import list_sections
from recspark.config.presets import list_presets
from recspark.config.words import CONFIG_SUFFIXES, is_config_file
from recspark.errors import ConfigError, describe
from recspark.files import storage


def require_config_files(argv: Sequence[str], section: type) -> None:
    """Raise a ConfigError unless each --config file exists and holds a mapping of settings."""
    for path in _named(argv):
        file = Path(path)
        if not file.is_file():
            found = "a folder" if file.is_dir() else f"no such file{storage.start_of(path)}"
            raise _refused(path, found, _find_hint(file) or "Correct the path.")
        content = _read(path)
        if not isinstance(content, Mapping):
            found = "no settings" if content is None else f"{str(content)[:60]!r}"
            raise _refused(path, found, "Write settings, such as train: {epochs: 30}.")
        _require_sections(path, content, list_sections(section))


def _named(argv: Sequence[str]) -> Iterator[str]:
    for word, following in zip(argv, [*argv, ""][1:], strict=True):
        if word == "--config" and following:
            yield following
        elif word.startswith("--config="):
            yield word.partition("=")[2]


def _read(path: str) -> Any:
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise _refused(path, "bytes that are not UTF-8 text", "Save it as UTF-8.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        found = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            describe(
                where,
                found=f"text that is not YAML ({' '.join(found.split())})",
                expected="settings, such as train: {epochs: 30}",
                remedy="Correct the line.",
            )
        ) from error


def _require_sections(path: str, content: Mapping[Any, Any], sections: Sequence[str]) -> None:
    """Require each section to hold settings."""
    for name in sections:
        value: Any = content
        for part in name.split("."):
            value = value.get(part, {}) if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            raise ConfigError(
                describe(
                    f"{path}: {name}",
                    found="nothing" if value is None else value,
                    expected="the settings of the section",
                    remedy=f"Write them below {name}, or leave the section out.",
                )
            )


def _find_hint(file: Path) -> str:
    """Return a hint at the file or option that was probably meant; empty if none is close."""
    for suffix in CONFIG_SUFFIXES:
        other = file.with_suffix(suffix)
        if other.is_file():
            return f"Did you mean {other}?"
    if file.stem in list_presets():
        return f"The model {file.stem} comes with recspark. Name it: --models {file.stem}."
    if not file.parent.is_dir():
        return ""
    names = [one.name for one in file.parent.iterdir() if is_config_file(one.name)]
    nearest = difflib.get_close_matches(file.name, names, n=1)
    return f"Did you mean {file.parent / nearest[0]}?" if nearest else ""


def _refused(path: str, found: str, remedy: str) -> ConfigError:
    return ConfigError(
        describe(f"--config {path}", found=found, expected="a YAML file of settings", remedy=remedy)
    )
