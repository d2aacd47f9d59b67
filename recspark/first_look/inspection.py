"""Says what raw files are, how they would be read, and the YAML to start with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import yaml

from recspark.arrays.ids import is_text
from recspark.config import IngestConfig, TableConfig
from recspark.errors import DataError
from recspark.first_look.first_contact import looks_like
from recspark.first_look.guess_roles import BY_NAME, is_matrix, suggest_roles
from recspark.first_look.suggest import (
    changed,
    improve,
    suggest_format,
    suggest_missing,
    suggest_settings,
)
from recspark.first_look.trial import Trial, try_format, try_table
from recspark.ingest.formats import FORMATS
from recspark.ingest.inputs import find_files, open_files
from recspark.ingest.table import FILE_PATTERN
from recspark.ingest.titles import read_titles
from recspark.redact import shown
from recspark.tables.look import Look, look_at
from recspark.tables.parsed import Parsed
from recspark.text.archives import Archives
from recspark.text.sources import Source

_NUM_VALUES = 3
_VALUE_LENGTH = 24
_NUM_COLUMNS = 40
_NUM_FILES = 20  # of a folder or an archive
_NUM_FIRST = 200  # values of a column that tell its type
_MAX_UNPACKED_BYTES = 4 * 1024**3
_MODELS = ["bias", "als", "biased_mf"]
_MATRIX = (
    "  a matrix, as it seems: a row for each user, a column for each movie. Write it as lines of "
    "user, movie and rating, e.g. with melt() of pandas; then inspect that file."
)
_PATTERN = f"{FILE_PATTERN}|u\\.(data|item|user|genre)|combined_data.*|mv_.*"


@dataclass
class Inspection:
    """What a file is.

    Attributes:
        source: The file.
        lines: The report, line by line.
        settings: The settings of `ingest` that would read it as ratings; empty if none would.
        is_titles: Whether it is a file of titles.
        share: The share of the first rows that would be read as ratings.
    """

    source: Source
    lines: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    is_titles: bool = False
    share: float = 0.0


def inspect_paths(paths: Sequence[str], given: TableConfig | None) -> Generator[str, None, bool]:
    """Yield the report about files, folders and archives, line by line; return whether some of it
    would be read as ratings.

    Args:
        paths: The files.
        given: Settings to read them with; None guesses all of them.
    """
    found: list[tuple[str, Inspection]] = []
    with (
        tempfile.TemporaryDirectory(prefix="recspark-inspect-") as scratch,
        Archives(f"{scratch}/unpacked", _MAX_UNPACKED_BYTES) as archives,
    ):
        for path in paths:
            sources = open_files(archives, find_files("FILE", path, _PATTERN))
            for source in sources[:_NUM_FILES]:
                one = inspect_source(source, given)
                found.append((path, one))
                yield from one.lines
                yield ""
            if len(sources) > _NUM_FILES:
                yield f"… and {len(sources) - _NUM_FILES:,} more files of {path}, not looked at"
                yield ""
    yield from _start_with(found)
    return any(one.settings for _, one in found)


def inspect_source(source: Source, given: TableConfig | None) -> Inspection:
    """Return what a file is; see `inspect_paths`."""
    one = Inspection(source)
    try:
        look = look_at(source, given or TableConfig())
    except DataError as error:
        one.lines.append(str(error))
        return one
    known = suggest_format(look) if given is None else None
    if known is not None:
        one.settings = {"format": known}
        if known == "netflix":  # its lines are no table
            one.lines.append(f"{shown(source.name, 200)} ({source.size:,} bytes)")
        else:
            _tell_form(one, look, {})
        one.lines.append(f"  layout: ingest.format {known}, lines like {FORMATS[known].example}")
        _tell(one, Trial(try_format(FORMATS[known], source)))
    elif given is None:
        _guess_table(one, look)
    else:
        _tell_form(one, look, {})
        _try_table(one, given)
    return one


def _guess_table(one: Inspection, look: Look) -> None:
    """Find the settings of a table, unless it holds titles, or a matrix."""
    roles = suggest_roles(look)
    if _is_titles(one.source, look, roles):
        one.is_titles = True
        _tell_form(one, look, {})
        one.lines.append("  a file of titles: name it in ingest.movies")
        return
    if is_matrix(look, roles):
        _tell_form(one, look, {})
        one.lines.append(_MATRIX)
        return
    settings, _ = improve(suggest_settings(look, TableConfig()), one.source)
    # With better quotes or another separator, columns may look different.
    look = look_at(one.source, settings)
    settings, trial = improve(suggest_settings(look, settings), one.source)
    roles = suggest_roles(look)
    _tell_form(one, look, roles)
    if any(why != BY_NAME for _, why in roles.values()):
        one.lines.append("  some columns are guessed: correct the settings below if they are wrong")
    missing, note = suggest_missing(trial)
    if note:
        one.lines.append(f"  {note}")
    _try_table(one, replace(settings, missing=missing))


def _try_table(one: Inspection, settings: TableConfig) -> None:
    """Read the first rows as a table, and add what became of them."""
    try:
        trial = try_table(settings, one.source)
    except DataError as error:
        one.lines.append(f"  would not be read: {error}")
        return
    for note in trial.notes:
        if "time_format" in note:
            one.lines.append(f"  {shown(note.removeprefix(f'{one.source.name}: '), 300)}")
    _tell(one, trial)
    if trial.num_rows:
        one.settings = {"format": "table", "table": changed(settings, TableConfig())}


def _tell_form(one: Inspection, look: Look, roles: dict[str, tuple[str, str]]) -> None:
    """Add what a file looks like, and its columns with what they are used for."""
    size = f"{one.source.size:,} bytes"
    one.lines.append(f"{shown(one.source.name, 200)} ({size}) {looks_like(look)}")
    if look.dialect is not None:
        one.lines.append(f"  form: {look.dialect.describe()}")
    one.lines += _columns(look, roles)


def _tell(one: Inspection, trial: Trial) -> None:
    parsed = trial.parsed
    if parsed is None:
        one.lines.append("  it has no rows")
        return
    one.share = trial.share
    parts = [f"{trial.num_rows:,} would be read", f"{len(parsed.rejects):,} refused"]
    if parsed.num_unrated:
        parts.append(f"{parsed.num_unrated:,} left out as not rated")
    if parsed.num_untimed:
        parts.append(f"{parsed.num_untimed:,} without a time")
    num_rows = parsed.num_lines - parsed.num_headers - parsed.num_blanks - parsed.num_continued
    ids = _ids(parsed)
    one.lines.append(f"  of the first {num_rows:,} rows, {', '.join(parts)}{ids}")
    allowed = IngestConfig().max_reject_fraction
    if len(parsed.rejects) > allowed * num_rows:
        one.lines.append(
            f"  a run stops above {allowed:.0%} of lines refused (ingest.max_reject_fraction)"
        )
    for reason, number, reject in trial.reasons[:3]:
        one.lines.append(
            f"    {number:,} × {reason}: line {reject.line + 1}: '{shown(reject.text, 100)}'"
        )


def _ids(parsed: Parsed) -> str:
    if not len(parsed.rows):
        return ""
    kinds = {
        what: "text" if is_text(ids) else "whole numbers"
        for what, ids in (("users", parsed.rows.users), ("movies", parsed.rows.movies))
    }
    return f"; ids of users are {kinds['users']}, of movies {kinds['movies']}"


def _columns(look: Look, roles: dict[str, tuple[str, str]]) -> Iterator[str]:
    """Yield a line for each column: its name, type, first values and role."""
    uses = {name: f"  ← {role}, {why}" for role, (name, why) in roles.items()}
    width = max((len(shown(name, 30)) for name in look.names), default=0)
    for name in look.names[:_NUM_COLUMNS]:
        values = look.values(name)
        first = [one for one in values.slice(0, _NUM_FIRST).to_pylist() if one is not None]
        texts = ", ".join(shown(str(one), _VALUE_LENGTH) for one in first[:_NUM_VALUES])
        kind = look.types.get(name) or _kind_of(values)
        yield f"  {shown(name, 30):<{width}}  {kind!s:<13}  {texts}{uses.get(name, '')}"
    for name, value in look.source.partitions.items():
        text = shown(value, _VALUE_LENGTH)
        yield f"  {shown(name, 30):<{width}}  {'of the folder':<13}  {text}{uses.get(name, '')}"
    if len(look.names) > _NUM_COLUMNS:
        yield f"  … {len(look.names):,} columns in all"


def _kind_of(values: pa.Array) -> str:
    """Return what texts are, in words."""
    texts = [
        text.strip() for text in values.slice(0, _NUM_FIRST).to_pylist() if text and text.strip()
    ]
    if not texts:
        return "empty"
    if all(text.lstrip("-").isdigit() for text in texts):
        return "whole numbers"
    try:
        [float(text) for text in texts]
    except ValueError:
        return "text"
    return "numbers"


def _is_titles(source: Source, look: Look, roles: dict[str, tuple[str, str]]) -> bool:
    """Return whether a file has no users, and reads as titles."""
    if roles.get("user", ("", ""))[1] == BY_NAME:
        return False
    if not look.has_names and roles.get("time", ("", ""))[0] == look.names[-1]:
        return False
    try:
        titles = read_titles([source], IngestConfig(), is_text=True)
    except (DataError, UnicodeError, ValueError):
        return False
    return len(titles.frame) > len(titles.rejects)


def _start_with(found: Sequence[tuple[str, Inspection]]) -> Iterator[str]:
    """Yield the YAML that reads what was found."""
    rated = [one for _, one in found if one.settings]
    if not rated:
        yield "Nothing here would be read as ratings."
        return
    best = max(rated, key=lambda one: (one.share, len(one.settings.get("table", ()))))
    settings = best.settings
    ingest: dict[str, Any] = {
        "format": settings["format"],
        "ratings": _paths(found, lambda one: one.settings == settings),
    }
    if any(one.is_titles for _, one in found):
        ingest["movies"] = _paths(found, lambda one: one.is_titles)
    if "table" in settings:
        ingest["table"] = settings["table"]
    text = yaml.safe_dump(
        {"models": _MODELS, "ingest": ingest}, sort_keys=False, allow_unicode=True, width=100
    )
    yield "To start with, save these lines as my.yaml and run: recspark pipeline --config my.yaml"
    yield ""
    yield text.strip()


def _paths(
    found: Sequence[tuple[str, Inspection]], is_wanted: Callable[[Inspection], bool]
) -> str | list[str]:
    """Return the paths of some files: a folder or archive itself if all its files are wanted."""
    paths: dict[str, None] = {}
    for path in dict.fromkeys(path for path, _ in found):
        inside = [one for other, one in found if other == path]
        if all(map(is_wanted, inside)):
            paths[path] = None
        else:
            paths |= dict.fromkeys(one.source.name for one in inside if is_wanted(one))
    return next(iter(paths)) if len(paths) == 1 else list(paths)
