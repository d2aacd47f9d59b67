"""Errors of jsonargparse, rewritten in the form of all errors of recspark."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from recspark.config.fields import Setting, list_sections, list_settings
from recspark.config.presets import list_presets
from recspark.config.words import is_config_file
from recspark.errors import describe

_UNRECOGNISED = re.compile(r"unrecognized arguments: (.*)", re.IGNORECASE | re.DOTALL)
_NO_VALUE = re.compile(r"argument --([\w.]+): expected")
_WRONG_VALUE = re.compile(r'Parser key "([\w.]+)"')
_VALUE = re.compile(r"(?:Got|Given) value: ?(.*)\Z", re.DOTALL)
_UNKNOWN_KEY = re.compile(r"[Oo]ption '([\w.]+)'|[Kk]ey '([\w.]+)'")
_GROUP = re.compile(r"Group '([\w.]+)'")


def explain(message: str, section: type) -> str:
    """Return an error of jsonargparse as `where: found X, expected Y. Remedy.`

    Args:
        message: The error's text.
        section: The dataclass of the settings.
    """
    settings = list_settings(section)
    match = _UNRECOGNISED.search(message)
    if match:
        return _explain_words(match.group(1).strip(), list(settings))
    match = _NO_VALUE.search(message)
    if match:
        return _explain_value(match.group(1), "no value", settings)
    keys = _WRONG_VALUE.findall(message)
    if keys:
        value = _VALUE.search(message)
        # Without a value, the text after the key says what is wrong, e.g. with a file.
        words = value.group(1) if value else message[message.rindex(keys[-1]) :].partition(":")[2]
        found = " ".join(words.split())
        return _explain_value(keys[-1], {"None": "null"}.get(found, found) or "nothing", settings)
    unknown = _UNKNOWN_KEY.search(message)
    if unknown:
        key = next(group for group in unknown.groups() if group)
        group = _GROUP.search(message)
        if group and not key.startswith(f"{group.group(1)}."):
            key = f"{group.group(1)}.{key}"
        return _explain_key(key, [*settings, *list_sections(section)])
    return describe(
        "config",
        found=" ".join(message.split()),
        expected="settings that --help all lists",
        remedy="Correct the file or the command line.",
    )


def did_you_mean(word: str, known: Sequence[str], prefix: str = "") -> str:
    """Return `Did you mean X?` with the nearest known word; empty if none is close."""
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Did you mean {prefix}{nearest[0]}?" if nearest else ""


def _explain_words(words: str, paths: Sequence[str]) -> str:
    """Explain words that are neither a setting nor the value of one."""
    if words.startswith("-"):
        return _explain_key(re.split(r"[\s=]", words.lstrip("-"))[0], paths)
    word = re.split(r"\s+-", words)[0]
    remedy = "Write the setting's name before it; --help lists the settings."
    if is_config_file(word):
        remedy = f"Did you mean --config {word}?"
    elif word.split()[0] in list_presets():
        remedy = f"Did you mean --models {','.join(word.split())}?"
    return describe(
        "config",
        found=f"{word} without the name of a setting",
        expected="--name value",
        remedy=remedy,
    )


def _explain_key(key: str, known: Sequence[str]) -> str:
    return describe(
        "config",
        found=f"the setting {key}",
        expected="one that --help all lists",
        remedy=did_you_mean(key, known) or "Remove it, or look up its name.",
    )


def _explain_value(path: str, found: str, settings: dict[str, Setting]) -> str:
    """Explain a value of the wrong type, or one that is missing."""
    setting = settings.get(path)
    if setting is None:  # --config, or a section as a whole
        inside = next((name for name in settings if name.startswith(f"{path}.")), "")
        example = f"--{inside} {settings[inside].example}" if inside else "--config my.yaml"
        return describe(
            path,
            found=found,
            expected="its settings one by one" if inside else "the path of a YAML file",
            remedy=f"Example: {example}.",
        )
    nearest = did_you_mean(found, setting.choices)
    example = f"Example: --{path} {setting.example}."
    if setting.is_list:
        name, items = path.rpartition(".")[2], setting.example.strip("'").replace(", ", ",")
        example = f"{example[:-1]}, or in a file {name}: [{items.replace(',', ', ')}]."
    if setting.example == "text" and re.fullmatch(r"[\w.+-]+", found):  # YAML took it for a number
        example = f'In a file, write it in quotes: "{found}".'
    return describe(
        path,
        found=found,
        expected=setting.expected,
        remedy=" ".join(filter(None, (nearest, setting.text, example))),
    )
