"""Finds the raw files: in folders, globs, partitions and archives."""

from __future__ import annotations

import fnmatch
import logging
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.files.storage import FileInfo
from recspark.text.archives import Archives
from recspark.text.kinds import PARQUET, require_text
from recspark.text.names import is_about, is_archive, is_clutter, matches
from recspark.text.sources import Source, is_misnamed, read_start

logger = logging.getLogger(__name__)

_SPARK_ONLY = ("orc", "avro")
_LOGS = {"_delta_log": "delta", ".hoodie": "hudi"}

# Files whose first bytes are looked at before anything is parsed; the others are like them.
NUM_LOOKED_AT = 100
_NUM_NAMES = 5  # in a message


@dataclass(frozen=True)
class Inputs:
    """What a setting names.

    Attributes:
        option: The setting, for messages, e.g. `ingest.ratings`.
        pattern: Regular expression for the names of the files to take from folders and archives;
            None takes only what is named itself.
        found: Each file, and for `archive!member` the member.
        passed_over: What lies beside them and is not read.
    """

    option: str
    pattern: str | None
    found: list[tuple[FileInfo, str | None]] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[FileInfo]:
        """The files themselves; of an archive, the archive."""
        return [file for file, _ in self.found]


def split_paths(setting: str | Sequence[str]) -> list[str]:
    """Return the paths that a setting lists; text is split at commas if no file has that name."""
    if not isinstance(setting, str):
        return [path for path in setting if path]
    is_one = "," not in setting or storage.exists(split_member(setting)[0])
    return [path for path in ([setting] if is_one else map(str.strip, setting.split(","))) if path]


def split_member(pattern: str) -> tuple[str, str | None]:
    """Return (path, member) of `archive.zip!member`; the member is None if none is named."""
    path, mark, member = pattern.partition("!")
    return (path, member) if mark and is_archive(path) else (pattern, None)


def find_files(
    option: str, setting: str | Sequence[str], file_pattern: str | None = None
) -> Inputs:
    """Return the files that a setting names, in its order and by path within a folder or glob.

    Folders named `column=value` inside a folder are searched as well. Empty files are passed over.

    Args:
        option: The setting's name, for messages, e.g. `ingest.ratings`.
        setting: Its value: files, folders (only with a file pattern), globs, `archive!member`.
        file_pattern: Regular expression for the names of the files to take from a folder, as in
            `matches`.

    Raises:
        DataError: A path does not exist, a folder holds no such file, all files are empty, or a
            link leads nowhere.
    """
    paths = split_paths(setting)
    if not paths:
        raise DataError(
            describe(option, found="no path", expected="one", remedy=f"Set {option} in the config.")
        )
    inputs = Inputs(option, file_pattern)
    empty: list[str] = []
    for path in paths:
        name, member = split_member(path)
        taken = _list_path(inputs, name)
        if not taken:
            raise _nothing(inputs, name)
        for file in map(storage.file_info, taken):
            if file.size == 0:
                empty.append(file.path)
            elif (file, member) not in inputs.found:
                inputs.found.append((file, member))
    if not inputs.found:
        raise _empty(empty)
    inputs.passed_over.extend(f"{name} (empty)" for name in empty)
    return inputs


def open_files(archives: Archives, inputs: Inputs) -> list[Source]:
    """Return the raw files, those in archives included, and log what is not read.

    A member is named by its path in the archive, by the end of that path, or by a glob.

    Args:
        archives: Unpacks the members of archives where needed.
        inputs: What `find_files` returned.

    Raises:
        DataError: As `Archives.find_members`; or no member of an archive matches, all are empty, or
            a file is neither text nor Parquet.
    """
    sources: list[Source] = []
    passed_over = list(inputs.passed_over)
    for file, member in inputs.found:
        if not is_archive(file.path):
            sources.append(Source.of(file))
            continue
        members = _open_archive(archives, inputs, file, member)
        empty = [one.name for one in members if one.size == 0]
        if len(empty) == len(members):
            raise _empty(empty)
        passed_over += [f"{name} (empty)" for name in empty]
        sources += [one for one in members if one.size]
    if passed_over:
        logger.warning("%s: passed over %s", inputs.option, _some(passed_over))
    for source in sources[:NUM_LOOKED_AT]:
        start = read_start(source)
        if not start.startswith(PARQUET):
            require_text(source.name, start)
    misnamed = [one.name for one in sources[:NUM_LOOKED_AT] if is_misnamed(one)]
    if misnamed:
        logger.warning(
            "%s: read by what they hold, not by their names: %s", inputs.option, _some(misnamed)
        )
    return sources


def open_one(archives: Archives, inputs: Inputs) -> Source:
    """Return the one raw file that a setting names; more than one is a DataError.

    Otherwise as `open_files`.
    """
    sources = open_files(archives, inputs)
    if len(sources) > 1:
        raise DataError(
            describe(
                inputs.option,
                found=f"{len(sources)} files: {sources[0].name}, {sources[1].name}",
                expected="one",
                remedy=f"Name one of them in {inputs.option} by its full path.",
            )
        )
    return sources[0]


def _list_path(inputs: Inputs, path: str) -> list[str]:
    """Return the files that a path, a folder or a glob names."""
    if storage.is_file(path):
        return [path]
    if storage.is_folder(path):
        return _walk(inputs, path) if inputs.pattern else []
    files: list[str] = []
    for name in storage.list_entries(path):
        if is_clutter(posixpath.basename(name)):
            continue
        if storage.is_file(name) and not is_about(name):
            files.append(name)
        elif storage.is_folder(name) and inputs.pattern:
            files += _walk(inputs, name)
        else:
            inputs.passed_over.append(name)
    return files


def _walk(inputs: Inputs, folder: str) -> list[str]:
    """Return the files to take from a folder and from those named `column=value` in it."""
    files: list[str] = []
    for path in storage.list_entries(folder):
        name = posixpath.basename(path)
        if name in _LOGS:
            raise _table_of_spark(folder, _LOGS[name])
        if is_clutter(name):
            continue
        if storage.is_folder(path):
            if "=" in name:
                files += _walk(inputs, path)
            else:
                inputs.passed_over.append(f"{path}/")
        elif is_about(name) or not matches(name, inputs.pattern or ""):
            inputs.passed_over.append(path)
        elif storage.is_file(path):
            files.append(path)
        else:
            raise DataError(
                describe(
                    path,
                    found="a link to a file that is not there",
                    expected="the file",
                    remedy="Fetch it (git annex get, dvc pull), or remove the link.",
                )
            )
    return files


def _open_archive(
    archives: Archives, inputs: Inputs, file: FileInfo, member: str | None
) -> list[Source]:
    def is_wanted(path: str) -> bool:
        if member is None:
            return not is_about(path) and matches(path, inputs.pattern or "")
        # Case matters, and * also matches /, so a glob and the end of a path both work.
        return fnmatch.fnmatchcase(f"/{path}", f"*/{member.lstrip('/')}")

    members = archives.find_members(Source.of(file), is_wanted)
    if not members:
        expected = f"files named {inputs.pattern}" if inputs.pattern else "a name"
        raise DataError(
            describe(
                f"{inputs.option} {file.path}",
                found="no such file in the archive",
                expected=member or expected,
                remedy=f"Name one: {inputs.option}: {posixpath.basename(file.path)}!name-or-glob.",
            )
        )
    return members


def _table_of_spark(folder: str, form: str) -> DataError:
    """Return the error for a folder with a log that says which of its files and rows count."""
    return DataError(
        describe(
            folder,
            found=f"a table of {form}, whose files may hold rows that were deleted since",
            expected="files",
            remedy=_by_spark(form, folder),
        )
    )


def _by_spark(form: str, path: str) -> str:
    return f"Set ingest.format: spark and ingest.spark: {{format: {form}, paths: {path}}}."


def _nothing(inputs: Inputs, path: str) -> DataError:
    """Return the error for a path that names no file."""
    found, expected = f"no file{storage.start_of(path)}", "a file"
    if storage.is_folder(path):
        found = "a directory without such files" if inputs.pattern else "a directory"
        expected = f"files named {inputs.pattern}" if inputs.pattern else "a file"
    others = [one for one in inputs.passed_over if one.startswith(path)]
    if others:
        found = f"{found} ({_some(others)})"
    remedy = f"Correct {inputs.option}."
    form = next((one for one in _SPARK_ONLY if any(x.endswith(f".{one}") for x in others)), None)
    if form and inputs.pattern:
        remedy = _by_spark(form, path)
    return DataError(
        describe(f"{inputs.option} {path}", found=found, expected=expected, remedy=remedy)
    )


def _empty(names: list[str]) -> DataError:
    is_one = len(names) == 1
    return DataError(
        describe(
            names[0],
            found="an empty file" if is_one else f"nothing but empty files ({_some(names)})",
            expected="text",
            remedy="Fetch it again, or name another file.",
        )
    )


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many there are."""
    shown = ", ".join(names[:_NUM_NAMES])
    return shown if len(names) <= _NUM_NAMES else f"{shown}, … ({len(names)} in all)"
