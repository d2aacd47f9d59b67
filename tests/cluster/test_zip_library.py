"""scripts/zip_library.py: the library as executors import it. Runs everywhere."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "recspark"


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("build") / "new" / "recspark.zip"
    command = [sys.executable, ROOT / "scripts" / "zip_library.py", target]
    subprocess.run(command, check=True)
    return target


def imported_from(library: Path) -> str:
    """The file of `recspark.errors` in a new Python with `library` first on its path."""
    done = subprocess.run(
        [sys.executable, "-c", "import recspark.errors as e; print(e.__file__)"],
        capture_output=True,
        text=True,
        cwd=library.parent,
        env={**os.environ, "PYTHONPATH": str(library)},
        check=True,
    )
    return done.stdout.strip()


def test_holds_every_file_once_and_byte_code_of_every_source(zipped: Path) -> None:
    names = zipfile.ZipFile(zipped).namelist()
    files = [
        str(file.relative_to(ROOT))
        for file in LIBRARY.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    byte_code = [f"{name}c" for name in files if name.endswith(".py")]
    assert len(byte_code) > 50
    assert sorted(names) == sorted([*files, *byte_code])
    assert list(zipped.parent.iterdir()) == [zipped]


def test_python_imports_the_byte_code(zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as archive:
        code = archive.read("recspark/errors.pyc")
    assert code.startswith(importlib.util.MAGIC_NUMBER)
    assert imported_from(zipped) == f"{zipped}/recspark/errors.pyc"


def test_help_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "zip_library.py", "--help"]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_python_takes_the_sources(zipped: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "recspark.zip"
    with zipfile.ZipFile(zipped) as archive, zipfile.ZipFile(foreign, "w") as other:
        for item in archive.infolist():
            content = archive.read(item)
            if item.filename.endswith(".pyc"):
                content = b"\0\0\r\n" + content[4:]
            other.writestr(item, content)
    assert imported_from(foreign) == f"{foreign}/recspark/errors.py"
