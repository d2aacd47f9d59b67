"""Write docs/settings.md: every setting with its type, default and meaning.

python scripts/document_settings.py            # writes docs/settings.md
python scripts/document_settings.py --check    # exit code 1 where the file is out of date
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docstring_parser

from recspark.config import Config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
INTRODUCTION = """\
# Settings

This page lists every setting of recspark with its type, its default and what it does.
`scripts/document_settings.py` generates it from the classes in `recspark/config/`; do not edit it
by hand.

A setting is written as `section.name`. In a YAML file the section is a key, and the name is a key
below it. On the command line it is an option: `--train.epochs 3`. [Jobs](jobs.md#settings) explains
how the layers combine.

The default applies where neither a preset, nor a `--config` file, nor the command line sets the
value. Presets set many values of `baseline` and `train`. To see the values that a model is run
with, add `--models NAME --print_config` to the command.
"""
WORDS = {
    **{str: "text", int: "whole number", float: "number", bool: "true or false"},
    dict[str, Any]: "values by name",
}


def describe_type(kind: Any) -> str:
    """Return a type in words, e.g. "`once` or `k_core`" for a Literal of these two."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        *first, last = (
            f"`{str(one).lower() if isinstance(one, bool) else one}`" for one in arguments
        )
        return f"{', '.join(first)} or {last}"
    if origin in (typing.Union, types.UnionType):
        kinds = [describe_type(one) for one in arguments if one is not type(None)]
        return " or ".join([*kinds, *(["null"] if type(None) in arguments else [])])
    if origin is tuple:
        kinds = describe_type(arguments[0]).split(" or ")
        return f"list of {' or '.join(f'{one}s' for one in kinds)}"
    if origin is dict:
        values = WORDS.get(arguments[1]) or describe_type(arguments[1])
        return f"mapping of {WORDS[arguments[0]]} to {values}"
    return WORDS[kind]


def describe_default(item: dataclasses.Field[Any]) -> str:
    """Return a field's default as YAML writes it."""
    value = item.default
    if value is dataclasses.MISSING:
        assert item.default_factory is not dataclasses.MISSING
        value = item.default_factory()
    return json.dumps(value)


def list_sections(section: type, name: str = "") -> Iterator[tuple[str, type]]:
    """Yield (dotted name, dataclass) of a section and then of the sections inside it."""
    yield name, section
    for item in dataclasses.fields(section):
        if dataclasses.is_dataclass(item.default_factory):
            inner = f"{name}.{item.name}" if name else item.name
            yield from list_sections(typing.cast(type, item.default_factory), inner)


def list_settings() -> list[str]:
    """Return the dotted names of all settings and sections."""
    names = []
    for section, kind in list_sections(Config):
        prefix = f"{section}." if section else ""
        names += [f"{prefix}{item.name}" for item in dataclasses.fields(kind)]
    return names


def make_table(name: str, section: type) -> str:
    """Return the heading and the table of one section, without the sections inside it."""
    described = docstring_parser.parse_from_object(section)
    meanings = {one.arg_name: one.description for one in described.params}
    kinds = typing.get_type_hints(section)
    summary = described.description if name else "Settings that belong to no section."
    rows = [
        f"| `{f'{name}.' if name else ''}{item.name}` | {_cell(describe_type(kinds[item.name]))} "
        f"| `{describe_default(item)}` | {_cell(meanings[item.name])} |"
        for item in dataclasses.fields(section)
        if not dataclasses.is_dataclass(item.default_factory)
    ]
    head = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    title = f"## `{name}`" if name else "## The run"
    return "\n".join([title, "", " ".join((summary or "").split()), "", *head, *rows])


def _cell(text: str | None) -> str:
    """Return text escaped for a cell of a Markdown table, on one line."""
    assert text, "a field without a docstring"
    for character in "|*<":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def make_page() -> str:
    """Return the content of docs/settings.md."""
    tables = [make_table(name, section) for name, section in list_sections(Config)]
    return "\n\n".join([INTRODUCTION.rstrip(), *tables]) + "\n"


def main() -> int:
    """Write the page or check it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare without writing")
    page = make_page()
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    print(
        "docs/settings.md: found an outdated page, expected the settings of recspark/config. "
        "Run scripts/document_settings.py.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
