"""The command `recspark <job>`: help, version, and mistakes found before Spark starts."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recspark import __version__
from recspark.cli import main
from recspark.config import Config
from recspark.config.fields import list_sections, list_settings
from recspark.config.load import load_config, load_model_configs
from recspark.jobs.job import Request
from recspark.jobs.registry import JOBS

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {path for path in list_sections(Config) if "." not in path}
CONFIG = """
models: [bias, biased_mf]
run_dir: {folder}/run
ingest: {{format: movielens_100k, ratings: {folder}/u.data, movies: {folder}/u.item}}
"""


@pytest.fixture(autouse=True)
def _no_spark(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A job that starts a session ends with code 1; log handlers are restored."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("Spark was asked for")

    monkeypatch.setattr("recspark.cluster.session.create_session", refuse)
    logger = logging.getLogger("recspark")
    before = (logger.handlers, logger.level, logger.propagate)
    yield
    logger.handlers, level, logger.propagate = before
    logger.setLevel(level)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A config whose raw files exist."""
    (tmp_path / "u.data").write_text("1\t2\t3\t880000000\n")
    (tmp_path / "u.item").write_text("2|Film (1990)|01-Jan-1990||\n")
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return str(path)


def test_help_lists_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for job in JOBS.values():
        assert re.search(rf"^  {job.name} +{re.escape(job.summary)}$", listed, re.MULTILINE)
    assert main([]) == 2
    assert capsys.readouterr().out == listed


def test_version_is_shown_with_and_without_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--version"], *([job, "--version"] for job in JOBS)):
        assert main(words) == 0
        assert capsys.readouterr().out == f"recspark {__version__}\n"
    assert main(["ingest", "--config", "none.yaml", "--version"]) == 0


def test_unknown_job_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingst", "--config", "x.yaml"]) == 2
    jobs = ", ".join(JOBS)
    expected = f"recspark: found job ingst, expected one of {jobs}. Did you mean ingest?\n"
    assert capsys.readouterr().err == expected
    assert main(["zzz"]) == 2
    assert "Did you mean" not in capsys.readouterr().err
    assert main(["--config", "x.yaml", "ingest"]) == 2
    assert "Name the job first: recspark <job> --config" in capsys.readouterr().err


def shown(text: str) -> set[str]:
    """Return the settings that a help text explains."""
    return {
        name for name in re.findall(r"^  --([\w.]+)", text, re.MULTILINE) if name != "print_config"
    }


@pytest.mark.parametrize("name", JOBS)
def test_help_of_a_job_shows_its_own_settings(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    general = {"config", "version", "name", "models", "run_dir", "seed", "force"}
    mine = {path for path in list_settings(Config) if path.split(".")[0] in JOBS[name].sections}
    assert shown(text) == general | mine
    assert f"`recspark {name} --help all` shows the settings of all jobs." in " ".join(text.split())
    assert "--force [true|false]" in text
    assert text.startswith(f"usage: recspark {name} --config FILE")


def test_help_all_shows_every_setting_with_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help", "all"], ["--help=all"], ["-h", "all"]):
        assert main(["ingest", *words]) == 0
        text = capsys.readouterr().out
        assert shown(text) == {"config", "version", *list_settings(Config)}
        flat = " ".join(text.split())
        for setting in list_settings(Config).values():
            assert setting.text, setting.path
            # The help also wraps lines at hyphens and slashes.
            assert setting.text.replace(" ", "") in flat.replace(" ", "").replace("%%", "%")


def test_every_section_belongs_to_a_job() -> None:
    assert set().union(*(job.sections for job in JOBS.values())) == {*SECTIONS, "until"}


def test_a_whole_request_reaches_spark(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The checks of the tests below refuse no more than they should."""
    for words in (["ingest"], ["pipeline"], ["pipeline", "--until", "ingest"], ["evaluate"]):
        assert main([*words, "--config", config]) == 1
        assert "AssertionError: Spark was asked for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("ingest --ingest.ratings {folder}/v.data", 5, "ingest.ratings {folder}/v.data: found no"),
        ("ingest --ingest.ratings {folder}/v*.data", 5, "found no file, expected a file"),
        ("ingest --ingest.movies {folder}/no.item", 5, "ingest.movies {folder}/no.item: found no"),
        ("ingest --ingest.probe {folder}/probe.txt", 5, "ingest.probe {folder}/probe.txt: found"),
        ("ingest --ingest.qualifying memory://q.txt", 5, "ingest.qualifying memory://q.txt: found"),
        ("pipeline --ingest.ratings {folder}/v.data", 5, "ingest.ratings {folder}/v.data: found"),
        (
            "pipeline --prepare.split pairs --prepare.pairs {folder}/u1.test",
            5,
            "u1.test: found nothing, expected user-movie pairs",
        ),
        (
            "pipeline --recommend.models bias --recommend.users {folder}/users.txt",
            5,
            "users.txt: found no such file, expected raw ids, one per line",
        ),
        ("pipeline --models biased_mf", 2, "expected bias among them"),
        ("pipeline --blend.members bias,als", 2, "blend.members: found als"),
        (
            "recommend --recommend.models bias --recommend.users {folder}/users.txt",
            5,
            "users.txt: found no such file, expected raw ids, one per line",
        ),
        ("recommend", 2, "recommend.models: found no models"),
        ("similar --similar.models als", 2, "similar.models: found als"),
        ("score_pairs --score_pairs.pairs {folder}/*.csv", 5, "found no such file, expected pairs"),
        ("score_pairs", 5, "Run jobs/ingest.py with the same --config first"),
        ("score_pairs --models blend", 5, "Run jobs/ingest.py with the same --config first"),
        ("score --models blend", 2, "models: found blend, expected models that have"),
        ("recommend --recommend.models blend", 5, "Run jobs/prepare.py with the same --config"),
        ("similar --similar.models blend", 2, "similar.models: found blend"),
        ("blend", 2, "blend.members: found no members"),
        ("prepare", 5, "Run jobs/ingest.py with the same --config first"),
        ("train", 5, "Run jobs/prepare.py with the same --config first"),
        ("train --models biased_mff", 2, "Did you mean biased_mf? The models are"),
        ("train --models bias", 2, "models: found bias, expected models that train makes. The job"),
        ("train --models als bias", 2, "The job baseline makes als, bias"),
        ("baseline --models=biased_mf", 2, "The job train makes biased_mf"),
        ("train --train.epochs three", 2, "train.epochs: found three, expected a whole number"),
        ("train --train.layers gelu", 2, "train.layers: found `gelu`, expected `dense N`"),
        ("ingest --spark.master local[two]", 2, "spark.master: found local[two], expected"),
        ("ingest conf/x.yaml", 2, "Did you mean --config conf/x.yaml?"),
    ],
)
def test_a_mistake_is_found_before_spark_starts(
    config: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    code: int,
    message: str,
) -> None:
    given = words.format(folder=tmp_path).split()
    assert main([*given, "--config", config]) == code
    said = capsys.readouterr().err
    assert message.format(folder=tmp_path) in said
    assert f" ERROR recspark.cli: {given[0]} failed: " in said
    assert "Traceback" not in said
    assert "<class" not in said
    assert re.search(r": found .*, expected .*\. ?", said)


def test_files_that_a_job_does_not_read_may_be_missing(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--recommend.models", "bias", "--recommend.users", str(tmp_path / "users.txt")]
    for job in (["pipeline", "--until", "fit"], ["ingest"], ["evaluate"]):
        assert main([*job, "--config", config, *words]) == 1
        assert "Spark was asked for" in capsys.readouterr().err


def test_models_of_the_config_that_another_job_makes_are_skipped_with_a_log_line(
    config: str, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["--config", config]
    models = load_model_configs(words, prog="test")
    request = Request(load_config(words, prog="test"), {"bias": models["bias"]})
    with caplog.at_level(logging.INFO, logger="recspark"):
        JOBS["train"].body(request, None)
    assert "train: skips bias, which the job baseline makes" in caplog.text


def test_every_entry_for_spark_submit_is_a_job() -> None:
    entries = {path.stem: path.read_text() for path in (ROOT / "jobs").glob("*.py")}
    assert entries.keys() == JOBS.keys()
    for name, text in entries.items():
        assert f'main(["{name}", *sys.argv[1:]])' in text


@pytest.mark.parametrize("command", [["-m", "recspark", "train"], [str(ROOT / "jobs/train.py")]])
def test_module_and_entry_start_from_any_folder(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *command, "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"recspark {__version__}\n")


def test_help_into_a_closed_pipe_ends_without_an_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m recspark ingest --help all | true",
        shell=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
