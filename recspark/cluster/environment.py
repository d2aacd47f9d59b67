"""Checks that Python, packages, Spark and Java fit together, before anything heavy is imported."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from recspark import __version__
from recspark.cluster.java import ensure_java
from recspark.cluster.requirements import REQUIREMENTS, SPARK_ONLY
from recspark.errors import EnvironmentProblem, describe

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

PYTHON_RANGE = ((3, 10), (3, 13))
RECORDED = ("pyspark", "petastorm", "pyarrow", "numpy", "pandas", "torch")
# The first pyarrow that refuses numpy 1 at import. Its metadata does not say so.
ARROW_WITHOUT_NUMPY_1 = "26"


def check_environment(*, with_spark: bool = True) -> None:
    """Raise an EnvironmentProblem that names every faulty package and the remedy; also find Java.

    Args:
        with_spark: Whether the process uses Spark; a process that only trains does not.
    """
    version = sys.version_info[:2]
    if not PYTHON_RANGE[0] <= version <= PYTHON_RANGE[1]:
        raise EnvironmentProblem(
            describe(
                sys.executable,
                found=f"Python {version[0]}.{version[1]}",
                expected="3.10 to 3.13",
                remedy="Create the virtual environment with one of these (PYTHON=python3.11).",
            )
        )
    faults = _find_faults(with_spark)
    if faults:
        wanted = " ".join(f"'{requirement}'" for requirement in faults)
        raise EnvironmentProblem(
            "the installed packages do not fit together:\n  "
            + "\n  ".join(faults.values())
            + f"\nRemedy: {sys.executable} -m pip install {wanted}"
        )
    if with_spark:
        _check_spark_home()
        if "PYSPARK_GATEWAY_PORT" not in os.environ:  # under spark-submit the JVM already runs
            ensure_java()


def check_worker_python(*, is_local: bool) -> None:
    """Raise an EnvironmentProblem if PYSPARK_PYTHON has another version than the driver's Python.

    Args:
        is_local: Whether workers run on this machine; on a cluster the path may exist only there.
    """
    name = os.environ.get("PYSPARK_PYTHON", sys.executable)
    if name == sys.executable or not (is_local or shutil.which(name)):
        return
    command = [name, "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        found = f"Python {answer.stdout.strip()}"
    except (OSError, subprocess.CalledProcessError) as error:
        found = f"no Python that starts ({error})"
    expected = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    if found != expected:
        raise EnvironmentProblem(
            describe(
                f"PYSPARK_PYTHON={name}",
                found=found,
                expected=f"{expected}, as the driver's ({sys.executable})",
                remedy="Unset PYSPARK_PYTHON, or set it to a Python of that version.",
            )
        )


def prefer_installed_pyspark() -> None:
    """Remove the zips of an installed pyspark, which spark-submit puts first, from sys.path.

    They hold the same modules as the installation, but without byte code, so Python would compile
    them each time, which takes a second. A Spark that is not installed as a package keeps its zips.
    """
    homes = [Path(entry, "pyspark") for entry in sys.path if Path(entry, "pyspark").is_dir()]
    # Only those of the first one, which is the one imported without them.
    zips = [home / "python" / "lib" for home in homes[:1]]
    sys.path[:] = [entry for entry in sys.path if Path(entry).parent not in zips]


def _find_faults(with_spark: bool) -> dict[str, str]:
    """Return the faults by the requirement that fixes each, in the form that pip takes."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        versions, reason = REQUIREMENTS["packaging"]
        return {f"packaging{versions}": f"packaging: found none, expected {versions} ({reason})"}
    faults = {}
    required: dict[str, SpecifierSet] = {}
    for requirement, (versions, reason) in REQUIREMENTS.items():
        name = requirement.partition("[")[0]
        required[name] = SpecifierSet(versions)
        if requirement in SPARK_ONLY and not with_spark:
            continue
        found = _installed(name)
        if found is None or not required[name].contains(found, prereleases=True):
            faults[requirement + versions] = (
                f"{name}: found {found or 'none'}, expected {versions} ({reason})"
            )
    if faults:
        return faults
    spark_requires = _spark_requirements() if with_spark else {}
    for name, wanted in spark_requires.items():
        found = _installed(name)
        if found is not None and not wanted.contains(found, prereleases=True):
            faults[f"{name}{wanted & required.get(name, SpecifierSet())}"] = (
                f"{name}: found {found}, expected {wanted} (pyspark {_installed('pyspark')})"
            )
    return faults or _find_arrow_fault(spark_requires.get("numpy", SpecifierSet()))


def _spark_requirements() -> dict[str, SpecifierSet]:
    """Return the versions of packages that the installed pyspark requires in its extra `sql`."""
    from packaging.requirements import Requirement

    wanted = {}
    for line in metadata.requires("pyspark") or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker and marker.evaluate({"extra": "sql"}) and not marker.evaluate({"extra": ""}):
            wanted[requirement.name] = requirement.specifier
    return wanted


def _find_arrow_fault(spark_numpy: SpecifierSet) -> dict[str, str]:
    """Return the fault of a pyarrow that cannot be imported with the installed numpy, if any."""
    from packaging.version import Version

    arrow, numpy = _installed("pyarrow"), _installed("numpy")
    if arrow is None or numpy is None or Version(arrow) < Version(ARROW_WITHOUT_NUMPY_1):
        return {}
    if Version(numpy) >= Version("2"):
        return {}
    remedy = "numpy>=2,<3"
    if not spark_numpy.contains("2.0.0"):  # Spark 3.5 needs numpy 1, so an older pyarrow
        remedy = f"pyarrow>=23.0.1,<{ARROW_WITHOUT_NUMPY_1}"
    return {remedy: f"numpy: found {numpy}, expected >=2 (pyarrow {arrow} refuses numpy 1)"}


def _check_spark_home() -> None:
    """Raise an EnvironmentProblem if SPARK_HOME holds no Spark or one of another version."""
    home = os.environ.get("SPARK_HOME")
    if home is None:
        return
    pyspark = str(_installed("pyspark"))
    jars = sorted(file.name for file in Path(home, "jars").glob("spark-core_*.jar"))
    found = f"no Spark in {home}"
    if jars and Path(home, "bin", "spark-submit").exists():
        version = jars[0].removesuffix(".jar").rpartition("_")[2].partition("-")[2]
        if version.split(".")[:2] == pyspark.split(".")[:2]:
            return
        found = f"Spark {version} in {home}"
    raise EnvironmentProblem(
        describe(
            "SPARK_HOME",
            found=found,
            expected=f"a Spark of the same version as the installed pyspark ({pyspark})",
            remedy="Unset SPARK_HOME (pyspark brings its own Spark), or pip install the pyspark of "
            "that Spark's version.",
        )
    )


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def package_versions() -> dict[str, str]:
    """Return the versions that results depend on, for manifests."""
    versions = {"recspark": __version__, "python": platform.python_version()}
    return versions | {name: _installed(name) or "missing" for name in RECORDED}


if __name__ == "__main__":  # for scripts: check, then print the Java home for Spark
    try:
        check_environment()
        print(ensure_java())
    except EnvironmentProblem as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
