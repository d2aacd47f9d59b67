"""Path, type, text and default of each setting, read from the dataclasses."""

from __future__ import annotations

import dataclasses
import functools
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import docstring_parser

# Examples for settings whose default and type do not show the form of a value.
_EXAMPLES = {
    "train.layers": "'dense 64, relu'",
    "train.decay_epochs": "4,8",
    "tune.space": "'{train.reg: {low: 0.01, high: 1, log: true}}'",
    "spark.properties": "'{spark.executor.cores: \"4\"}'",
}


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        path: Its name with its sections, e.g. `train.epochs`.
        kind: Its type.
        default: Its default; None also if it has none.
        section: The dataclass that declares it.
    """

    path: str
    kind: Any
    default: Any
    section: type

    @property
    def is_flag(self) -> bool:
        """Whether it is true or false."""
        return self.kind is bool

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return get_origin(self.kind) is tuple

    @property
    def choices(self) -> list[str]:
        """The allowed words; empty if any value is allowed."""
        return [str(word) for kind in _members(self.kind) for word in _choices(kind)]

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        return " or ".join(_in_words(kind) for kind in _members(self.kind))

    @property
    def text(self) -> str:
        """The docstring of the field, on one line."""
        name = self.path.rpartition(".")[2]
        return _texts(self.section).get(name, "")

    @property
    def example(self) -> str:
        """A sample value as written on the command line."""
        if self.path in _EXAMPLES:
            return _EXAMPLES[self.path]
        if self.choices:
            return self.choices[0]
        if self.is_flag:
            return "true"
        if self.is_list:
            return ",".join(map(str, self.default)) if self.default else "bias,als"
        if self.default not in (None, ""):
            return str(self.default)
        return {int: "1", float: "0.1"}.get(_members(self.kind)[0], "text")


@functools.cache
def list_settings(section: type, prefix: str = "") -> dict[str, Setting]:
    """Return the settings of a dataclass and of the sections in it, by path."""
    found: dict[str, Setting] = {}
    kinds = get_type_hints(section)
    for item in dataclasses.fields(section):
        path, kind = prefix + item.name, kinds[item.name]
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            found |= list_settings(kind, f"{path}.")
            continue
        default = None if item.default is dataclasses.MISSING else item.default
        found[path] = Setting(path, kind, default, section)
    return found


@functools.cache
def list_sections(section: type) -> list[str]:
    """Return the paths of the sections in a dataclass, e.g. `ingest` and `ingest.table`."""
    parents = (path.split(".")[:-1] for path in list_settings(section))
    return sorted({".".join(parts[:n]) for parts in parents for n in range(1, len(parts) + 1)})


@functools.cache
def _texts(section: type) -> dict[str, str]:
    parsed = docstring_parser.parse_from_object(section)
    return {one.arg_name: " ".join((one.description or "").split()) for one in parsed.params}


def _members(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, None last, or the type itself."""
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(sorted(get_args(kind), key=lambda one: one is type(None)))
    return (kind,)


def _choices(kind: Any) -> tuple[Any, ...]:
    words = get_args(kind) if get_origin(kind) is Literal else ()
    return tuple(str(one).lower() if isinstance(one, bool) else one for one in words)


def _in_words(kind: Any) -> str:
    if _choices(kind):
        return f"one of {', '.join(map(str, _choices(kind)))}"
    if get_origin(kind) is tuple:
        items = {int: "whole numbers", float: "numbers", str: "words"}
        return f"a list of {items.get(get_args(kind)[0], 'values')}"
    if get_origin(kind) is dict:
        return "names with values"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return {**words, type(None): "null"}.get(kind, str(kind))
