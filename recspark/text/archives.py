"""Raw files inside .zip, .tar and compressed .tar archives, read without unpacking each to a file.

A plain tar needs no unpacking: its members are byte ranges. A tar.gz is decompressed once to a
plain tar, and the wanted members of a zip are unpacked one after the other into one scratch file.
No member's name ever becomes a path, so no archive can write outside the scratch folder.
"""

from __future__ import annotations

import errno
import lzma
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from types import TracebackType
from typing import IO, BinaryIO

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.text.names import is_clutter
from recspark.text.sources import Source, damaged, open_raw, open_text

_BLOCK_BYTES = 1024 * 1024
_ENCRYPTED = 0x1  # bit of a zip member's flags
# What zipfile and its decompressors raise when the archive is damaged.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    ValueError,
)

Wanted = Callable[[str], bool]


class Archives:
    """The archives of one ingest. Unpacked files are kept in a scratch folder until the end.

    Attributes:
        scratch: The folder; anything that an earlier run left there is removed first.
        max_bytes: Limit on all bytes that may be unpacked.
    """

    def __init__(self, scratch: str, max_bytes: int) -> None:
        self.scratch = scratch
        self.max_bytes = max_bytes
        self._left = max_bytes
        self._num_files = 0
        self._tars: dict[str, Source] = {}

    def __enter__(self) -> Archives:
        storage.remove(self.scratch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        storage.remove(self.scratch)

    def find_members(self, archive: Source, is_wanted: Wanted) -> list[Source]:
        """Return the wanted members, sorted by name, `archive!member`; none if nothing matches.

        What systems add to archives (`__MACOSX/`, hidden files) is passed over. A tar inside the
        archive is searched as well (the original download of the Netflix set is a tar.gz that
        contains training_set.tar).

        Args:
            archive: A file for which `is_archive` holds.
            is_wanted: Tells from a member's path inside the archive whether it is wanted.

        Raises:
            DataError: The archive is damaged, cut off, encrypted or too large, or a wanted member
                is not a plain file or has a path that leads out of the archive.
        """

        def is_taken(name: str) -> bool:
            is_tar = name.lower().endswith(".tar")
            return not is_clutter(name) and (is_wanted(name) or is_tar)

        found = []
        members = self._members(archive, is_taken)
        for path, member in members:
            if is_wanted(path):
                found.append(member)
            else:
                inner = _tar_members(member, _below(path, is_wanted))
                found += [one for _, one in inner]
        return sorted(found, key=lambda member: member.name)

    def _members(self, archive: Source, is_taken: Wanted) -> list[tuple[str, Source]]:
        if archive.name.lower().endswith(".zip"):
            return self._unpack_zip(archive, is_taken)
        if not archive.name.lower().endswith(".tar"):
            archive = self._unzip_tar(archive)
        return list(_tar_members(archive, is_taken))

    def _unzip_tar(self, archive: Source) -> Source:
        """Return the plain tar inside a .tar.gz (.bz2, .xz, .zst), decompressed only once."""
        if archive.name not in self._tars:
            path, file = self._open_scratch()
            with file, open_text(archive) as stream:
                size = self._copy(stream, file, archive.name)
            self._tars[archive.name] = Source(archive.name, path, size)
        return self._tars[archive.name]

    def _unpack_zip(self, archive: Source, is_taken: Wanted) -> list[tuple[str, Source]]:
        found: list[tuple[str, Source]] = []
        try:
            with open_raw(archive) as file, zipfile.ZipFile(file) as zipped:
                infos = [
                    info
                    for info in zipped.infolist()
                    if not info.is_dir() and is_taken(info.filename)
                ]
                for info in infos:
                    _check_member(
                        archive, info.filename, is_file=not stat.S_ISLNK(info.external_attr >> 16)
                    )
                    if info.flag_bits & _ENCRYPTED:
                        raise _refused(archive, info.filename, "an encrypted member")
                self._require_room(archive.name, sum(info.file_size for info in infos))
                path, target = self._open_scratch()
                start = 0
                with target:
                    for info in infos:
                        with zipped.open(info) as stream:
                            size = self._copy(stream, target, archive.name)
                        name = f"{archive.name}!{info.filename}"
                        found.append((info.filename, Source(name, path, size, start)))
                        start += size
        except _ZIP_ERRORS as error:
            raise damaged(archive.name, "zip archive", error) from error
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # such as a full disk
                raise
            raise damaged(archive.name, "zip archive", error) from error
        return found

    def _open_scratch(self) -> tuple[str, BinaryIO]:
        storage.make_folder(self.scratch)
        path = posixpath.join(self.scratch, f"{self._num_files:03d}")
        self._num_files += 1
        fs, stripped = storage.filesystem(path)
        return path, fs.open(stripped, "wb")

    def _copy(self, stream: IO[bytes], target: BinaryIO, name: str) -> int:
        """Copy to the end and return the number of bytes; the size in the header is not trusted."""
        size = 0
        while block := stream.read(_BLOCK_BYTES):
            size += len(block)
            self._require_room(name, len(block))
            self._left -= len(block)
            target.write(block)
        return size

    def _require_room(self, name: str, size: int) -> None:
        if size > self._left:
            raise DataError(
                describe(
                    name,
                    found="more to unpack than the limit",
                    expected=f"at most {self.max_bytes:,} bytes in total",
                    remedy="If you trust the archive, raise ingest.max_unpacked_bytes.",
                )
            )


def _below(folder: str, is_wanted: Wanted) -> Wanted:
    """Return whether a member of a tar inside an archive is wanted."""
    return lambda name: not is_clutter(name) and is_wanted(posixpath.join(folder, name))


def _tar_members(archive: Source, is_taken: Wanted) -> Iterator[tuple[str, Source]]:
    """Yield (path inside, source) of the files to take from a plain tar, as byte ranges of it."""
    outer = archive.start or 0
    try:
        with open_raw(archive) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else all are kept in memory
                is_file = member.isreg() and not member.issparse()
                if is_file and member.offset_data + member.size > archive.size:
                    raise damaged(archive.name, "tar archive", "it ends inside a member")
                if member.isdir() or not is_taken(member.name):
                    continue
                _check_member(archive, member.name, is_file=is_file)
                name = f"{archive.name}!{member.name}"
                start = outer + member.offset_data
                yield member.name, Source(name, archive.path, member.size, start)
            # tarfile mistakes a damaged header for the end; the real end is a block of zeros.
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise damaged(archive.name, "tar archive", "no end mark after the last member")
    except (tarfile.TarError, ValueError) as error:
        raise damaged(archive.name, "tar archive", error) from error


def _check_member(archive: Source, name: str, *, is_file: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or path.parts[0].endswith(":"):
        raise _refused(archive, name, "a path that leads out of the archive")
    if not is_file:
        raise _refused(archive, name, "a link, device or sparse file")


def _refused(archive: Source, member: str, found: str) -> DataError:
    return DataError(
        describe(
            f"{archive.name}!{member}",
            found=found,
            expected="plain files with paths inside the archive",
            remedy="Unpack it by hand if you trust it, and point the config at the files.",
        )
    )
