from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recspark.errors import DataError
from recspark.files import storage
from recspark.text.archives import Archives
from recspark.text.sources import Source, open_text
from tests.ingest.sources import source_of

MEMBERS = {
    "download/mv_0000001.txt": b"1:\n10,3,2005-01-01\n",
    "download/mv_0000002.txt": b"2:\n" + b"11,4,2005-01-01\n" * 3000,
    "download/readme": b"nothing",
}


def tar_of(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return target.getvalue()


def link_tar(kind: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        info = tarfile.TarInfo("mv_0000001.txt")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    return target.getvalue()


def mixed_tar() -> bytes:
    """Return a tar with a wanted file, a link, a device and paths that lead out beside it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, kind in (("latest", tarfile.SYMTYPE), ("tty", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ("../out.txt", "./x/mv_1.txt"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"1:\n"))
    return target.getvalue()


def link_zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as zipped:
        info = zipfile.ZipInfo("mv_0000001.txt")
        info.external_attr = 0o120777 << 16
        zipped.writestr(info, "/etc/passwd")
    return target.getvalue()


KINDS = {
    "a.tar": tar_of(MEMBERS),
    "a.tar.gz": gzip.compress(tar_of(MEMBERS)),
    "a.TGZ": gzip.compress(tar_of(MEMBERS)),
    "a.zip": zip_of(MEMBERS),
    "stored.zip": zip_of(MEMBERS, zipfile.ZIP_STORED),
}


def read(folder: Path, name: str, data: bytes, max_bytes: int = 10**6) -> dict[str, bytes]:
    """Return name in the archive → content of the mv_ files, read through the folder `scratch`."""
    path = folder / name
    path.write_bytes(data)
    with Archives(str(folder / "scratch"), max_bytes) as archives:
        sources = archives.find_members(source_of(path), lambda member: "mv_" in member)
        found = {}
        for source in sources:
            assert source.name.startswith(f"{path}!")
            with open_text(source) as file:
                found[source.name.removeprefix(f"{path}!")] = file.read()
    assert {file.name for file in folder.iterdir()} == {name}
    return found


@pytest.mark.parametrize("name", KINDS)
def test_members_are_read_and_scratch_is_removed(tmp_path: Path, name: str) -> None:
    expected = {member: MEMBERS[member] for member in sorted(MEMBERS) if "mv_" in member}
    assert read(tmp_path, name, KINDS[name]) == expected


@pytest.mark.parametrize("outer", ["nf_prize.tar.gz", "nf_prize.tar", "nf_prize.zip"])
def test_tar_inside_an_archive_is_searched(tmp_path: Path, outer: str) -> None:
    members = {"download/training_set.tar": KINDS["a.tar"], "download/probe.txt": b"1:\n10\n"}
    data = zip_of(members) if outer.endswith("zip") else tar_of(members)
    found = read(tmp_path, outer, gzip.compress(data) if outer.endswith("gz") else data)
    assert found == {
        f"download/training_set.tar!{name}": MEMBERS[name] for name in MEMBERS if "mv_" in name
    }


def test_compressed_member_is_read_through_gzip(tmp_path: Path) -> None:
    data = tar_of({"x/mv_1.txt.gz": gzip.compress(b"1:\n"), "mv_2.txt": b"2:\n"})
    assert read(tmp_path, "a.tar", data) == {"mv_2.txt": b"2:\n", "x/mv_1.txt.gz": b"1:\n"}


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tgz"])
def test_what_systems_add_is_passed_over(tmp_path: Path, kind: str) -> None:
    members = {
        "__MACOSX/._mv_1.txt": b"\x00\x05\x16\x07",
        "x/._mv_1.txt": b"\x00\x05\x16\x07",
        ".DS_Store": b"\x00",
        "x/.mv_1.txt.crc": b"crc",
        "x/mv_1.txt": b"1:\n",
    }
    data = zip_of({".": b"", **members}) if kind == "a.zip" else tar_of(members)
    assert read(tmp_path, kind, gzip.compress(data) if kind == "a.tgz" else data) == {
        "x/mv_1.txt": b"1:\n"
    }


@pytest.mark.parametrize("kind", ["a.tar", "a.tgz"])
def test_links_devices_and_paths_out_do_no_harm_where_they_are_not_wanted(
    tmp_path: Path, kind: str
) -> None:
    data = mixed_tar() if kind == "a.tar" else gzip.compress(mixed_tar())
    assert read(tmp_path, kind, data) == {"./x/mv_1.txt": b"1:\n"}


@pytest.mark.parametrize("name", ["a.tar.bz2", "a.tbz2", "a.tar.xz", "a.txz", "a.TAR.XZ"])
def test_other_compressions_of_a_tar(tmp_path: Path, name: str) -> None:
    compress = lzma.compress if name.lower().endswith("xz") else bz2.compress
    assert len(read(tmp_path, name, compress(tar_of(MEMBERS)))) == 2


@pytest.mark.parametrize("outer", ["a.zip", "a.tar"])
@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_member_of_any_kind(
    tmp_path: Path, outer: str, compress: Callable[[bytes], bytes]
) -> None:
    members = {"mv_1.txt.x": compress(b"1:\n10,3,2005-01-01\n")}
    data = zip_of(members) if outer == "a.zip" else tar_of(members)
    assert read(tmp_path, outer, data) == {"mv_1.txt.x": b"1:\n10,3,2005-01-01\n"}


def test_plain_tar_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(KINDS["a.tar"])
    with Archives(str(tmp_path / "scratch"), 1) as archives:
        members = archives.find_members(source_of(path), lambda name: name.endswith("1.txt"))
        assert [(one.path, one.size) for one in members] == [(str(path), 19)]
        assert not (tmp_path / "scratch").exists()


def test_leftovers_of_an_earlier_run_are_removed_first(tmp_path: Path) -> None:
    left = tmp_path / "scratch" / "000"
    left.parent.mkdir()
    left.write_bytes(b"left")
    with Archives(str(left.parent), 1):
        assert not left.exists()


@pytest.mark.parametrize("member", ["../mv_1.txt", "/mv_1.txt", "a/../../mv_1.txt", "C:\\mv_1.txt"])
@pytest.mark.parametrize("kind", ["a.tar", "a.tgz", "a.zip"])
def test_path_that_leads_out_is_refused(tmp_path: Path, kind: str, member: str) -> None:
    data = zip_of({member: b"1:\n"}) if kind == "a.zip" else tar_of({member: b"1:\n"})
    with pytest.raises(DataError, match=r"found a path that leads out of the archive"):
        read(tmp_path, kind, gzip.compress(data) if kind == "a.tgz" else data)
    assert {file.name for file in tmp_path.iterdir()} == {kind}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tar", link_tar(tarfile.SYMTYPE)),
        ("a.tar", link_tar(tarfile.LNKTYPE)),
        ("a.tar", link_tar(tarfile.CHRTYPE)),
        ("a.tar", link_tar(tarfile.FIFOTYPE)),
        ("a.zip", link_zip()),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(DataError, match=r"mv_0000001\.txt: found a link, device or sparse file"):
        read(tmp_path, name, data)


@pytest.mark.parametrize("kind", ["a.tgz", "a.zip"])
def test_bombs_are_refused_before_they_fill_the_disk(tmp_path: Path, kind: str) -> None:
    members = {"mv_1.txt": bytes(5_000_000)}
    data = zip_of(members) if kind == "a.zip" else gzip.compress(tar_of(members))
    assert len(data) < 20_000
    with pytest.raises(
        DataError, match=r"expected at most 3,000,000 bytes in total\. .*max_unpacked_bytes"
    ):
        read(tmp_path, kind, data, max_bytes=3_000_000)


def test_declared_size_is_not_trusted(tmp_path: Path) -> None:
    data = bytearray(zip_of({"mv_1.txt": b"1:\n" * 1000}))
    place = data.rindex(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    data[place : place + 4] = (10).to_bytes(4, "little")
    with pytest.raises(DataError, match=r"a\.zip: found damaged zip archive"):
        read(tmp_path, "a.zip", bytes(data))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_cut_off_archives_are_named(tmp_path: Path, name: str, share: float) -> None:
    data = KINDS[name].rstrip(b"\0") if name == "a.tar" else KINDS[name]
    with pytest.raises(DataError, match=rf"{name}: found damaged .*Fetch it again"):
        read(tmp_path, name, data[: int(len(data) * share)] or b"x")


def test_tar_cut_between_members_or_damaged_in_a_header_is_refused(
    tmp_path: Path,
) -> None:
    data = bytearray(KINDS["a.tar"])
    second = data.index(b"download/mv_0000002.txt")
    with pytest.raises(DataError, match="no end mark"):
        read(tmp_path, "a.tar", bytes(data[:second]))
    data[second] ^= 0xFF
    with pytest.raises(DataError, match="no end mark"):
        read(tmp_path, "a.tar", bytes(data))


@pytest.mark.parametrize("name", KINDS)
def test_damage_anywhere_raises_only_data_errors(tmp_path: Path, name: str) -> None:
    draw = random.Random(7)
    for _ in range(150):
        data = bytearray(KINDS[name])
        for _ in range(draw.choice([1, 1, 3])):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            read(tmp_path, name, bytes(data))
        except DataError:
            assert {file.name for file in tmp_path.iterdir()} == {name}


def test_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of({"mv_1.txt": b"1:\n"}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    with pytest.raises(DataError, match=r"mv_1\.txt: found an encrypted member"):
        read(tmp_path, "a.zip", bytes(data))


def test_archive_on_another_file_system(tmp_path: Path) -> None:
    fs, _ = storage.filesystem("memory://raw/a.tgz")
    fs.pipe_file("/raw/a.tgz", KINDS["a.tar.gz"])
    with Archives("memory://run/.unpacked.tmp", 10**6) as archives:
        archive = Source.of(storage.list_files("memory://raw/a.tgz")[0])
        (member,) = archives.find_members(archive, lambda name: name.endswith("1.txt"))
        assert member.path.startswith("memory://run/")
        with open_text(member) as file:
            assert file.read() == MEMBERS["download/mv_0000001.txt"]
    assert not storage.exists("memory://run/.unpacked.tmp")
