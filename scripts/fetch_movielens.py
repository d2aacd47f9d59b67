"""Fetch MovieLens-100K from its official address, or else from a PyPI package that contains it.

Writes u.data (user, item, rating, epoch seconds), movies.item, users.user, and the published folds
u1.test … u5.test. Does nothing if the files are there already.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

ARCHIVE_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
ARCHIVE_MD5 = "0e33842e24a9c977be4e0107933c0723"  # published beside the archive
WHEEL = "recbole==1.2.1"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
WHEEL_FOLDER = "recbole/dataset_example/ml-100k"

NUM_RATINGS = 100_000
FOLD_ROWS = 20_000  # uK.test is rows (K-1)·20,000 … K·20,000-1 of u.data
TIMEOUT_SECONDS = 30


def from_archive() -> dict[str, bytes]:
    """Return the files of the official archive."""
    with urllib.request.urlopen(ARCHIVE_URL, timeout=TIMEOUT_SECONDS) as response:
        content = response.read()
    check("ml-100k.zip", hashlib.md5(content).hexdigest(), ARCHIVE_MD5)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {
            "u.data": archive.read("ml-100k/u.data"),
            "movies.item": archive.read("ml-100k/u.item"),
            "users.user": archive.read("ml-100k/u.user"),
        }


def from_wheel() -> dict[str, bytes]:
    """Return the same files from the wheel, which is downloaded without its dependencies."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder, WHEEL]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise OSError(f"pip download {WHEEL}: {answer.stderr.strip().splitlines()[-1]}")
        wheel = next(Path(folder).glob("*.whl"))
        check(wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest(), WHEEL_SHA256)
        with zipfile.ZipFile(wheel) as archive:
            ratings = archive.read(f"{WHEEL_FOLDER}/ml-100k.inter")
            movies = archive.read(f"{WHEEL_FOLDER}/ml-100k.item")
            users = archive.read(f"{WHEEL_FOLDER}/ml-100k.user")
    _, _, rows = ratings.partition(b"\n")  # the wheel adds a header row
    return {"u.data": rows, "movies.item": movies, "users.user": users}


def check(name: str, found: str, expected: str) -> None:
    """Raise ValueError if a download does not have the known hash."""
    if found != expected:
        raise ValueError(f"{name}: found hash {found}, expected {expected}; nothing was kept")


def add_folds(files: dict[str, bytes]) -> None:
    """Add u1.test … u5.test, which are ranges of rows of u.data."""
    rows = files["u.data"].splitlines(keepends=True)
    if len(rows) != NUM_RATINGS:
        raise ValueError(f"u.data: found {len(rows)} rows, expected {NUM_RATINGS}")
    for fold in range(NUM_RATINGS // FOLD_ROWS):
        start = fold * FOLD_ROWS
        files[f"u{fold + 1}.test"] = b"".join(rows[start : start + FOLD_ROWS])


def fetch(folder: Path) -> bool:
    """Put the files into `folder`; return whether this succeeded."""
    wanted = ["movies.item", "users.user", *(f"u{fold}.test" for fold in range(1, 6)), "u.data"]
    if all((folder / name).exists() for name in wanted):
        return True
    sources: list[Callable[[], dict[str, bytes]]] = [from_archive, from_wheel]
    for source in sources:
        try:
            files = source()
            add_folds(files)
        except (OSError, ValueError, KeyError) as error:
            print(f"MovieLens-100K, {name_of(source)}: not available ({error})", file=sys.stderr)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            temporary = folder / f".{name}.tmp"
            temporary.write_bytes(files[name])
            temporary.replace(folder / name)
        print(f"MovieLens-100K, {name_of(source)}: → {folder}", file=sys.stderr)
        return True
    return False


def name_of(source: Callable[[], dict[str, bytes]]) -> str:
    return source.__name__.replace("_", " ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the files")
    return 0 if fetch(parser.parse_args().output) else 1


if __name__ == "__main__":
    sys.exit(main())
