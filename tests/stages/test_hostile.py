"""Hostile ids, titles, genres, attributes and names of files, tried on every output of a run."""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import recspark
from recspark.config import ScorePairsConfig
from recspark.config.load import load_config
from recspark.errors import RecsparkError
from recspark.logs import configure_logging
from recspark.redact import CONTROLS
from recspark.stages import score_pairs
from tests.browser import LAPTOP, PHONE, browse, needs_browser
from tests.pages import read

SCRIPT = "</script><script>document.title='hacked'</script>"
IMAGE = "<img src=x onerror=\"document.title='hacked'\">"
FORMULA = '=HYPERLINK("http://example.com","x")'
TURNED = "\u202etxt.exe"
PATH = "../../outside"
USERS = [SCRIPT, IMAGE, FORMULA, TURNED, PATH, "+1+1", "@SUM(A1)", "{{ 7 * 7 }}", "x" * 256, "%s"]
MOVIES = [f"{user} film"[:256] for user in USERS]
TITLES = [
    *MOVIES[:4],
    "t" * 100_000,
    "a\u2028b",
    "\N{NO-BREAK SPACE}",
    "\u0001\u001b[31m",
    "",
    "$x_1$",
]
NAME = SCRIPT[:60]
FILE = f"{IMAGE}\n\u001b[31m{FORMULA}".replace("/", "|") + ".csv"
PAIRS = "=<b>%2f\n" + "p" * 150 + "...csv"


@dataclass(frozen=True)
class Made:
    """A run, and what its jobs logged."""

    run: recspark.Run
    log: str
    folder: Path


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("hostile")
    write_raw(folder)
    before = snapshot(folder)
    config = {
        "name": NAME,
        "run_dir": str(folder / "run"),
        "models": ["bias", "als", "biased_mf"],
        "blend": {"members": ["bias", "als"]},
        "ingest": {
            "format": "table",
            "ratings": str(folder / "ratings" / "*"),
            "movies": str(folder / "titles.csv"),
            "movie_attributes": [IMAGE],
            "max_reject_fraction": 0.5,
        },
        "prepare": {"test_fraction": 0.2, "valid_fraction": 0.1, "num_buckets": 2},
        "baseline": {"als": {"embedding_size": 2, "epochs": 1}},
        "train": {"epochs": 1, "embedding_size": 2},
        "recommend": {"models": ["als"], "top_n": 3},
        "similar": {"models": ["als"], "top_n": 2},
        "report": {"min_ratings": 1},
        "evaluate": {"resamples": 5},
    }
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        configure_logging()
        run = recspark.run(config)
        words = [f"--run_dir={run.path}", f"--name={NAME}"]
        asked = ScorePairsConfig(pairs=str(folder / "pairs" / PAIRS))
        settings = dataclasses.replace(load_config(words, prog="t"), score_pairs=asked)
        score_pairs.run(settings, "als", spark)
    assert snapshot(folder) == before  # nothing outside of the run directory
    return Made(run, stream.getvalue(), folder)


def write_raw(folder: Path) -> None:
    (folder / "ratings").mkdir()
    (folder / "pairs").mkdir()
    rows = [
        (user, movie, 1 + (i * j) % 5)
        for i, user in enumerate(USERS)
        for j, movie in enumerate(MOVIES)
        if (i + j) % 4
    ]
    bad = [("\u001b[31m" + SCRIPT, MOVIES[0], 3), (USERS[0], MOVIES[0], IMAGE * 1000)]
    write_csv(folder / "ratings" / FILE, [("user_id", "movie_id", "rating"), *rows, *bad])
    titles = zip(MOVIES, TITLES, [IMAGE] * 10, [FORMULA] * 10, strict=True)
    write_csv(folder / "titles.csv", [("movie_id", "title", "genres", IMAGE), *titles])
    pairs = [(user, movie) for user in USERS for movie in MOVIES]
    write_csv(folder / "pairs" / PAIRS, [("user_id", "movie_id"), *pairs])


def write_csv(path: Path, rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the content of every file except those of the run."""
    return {
        str(path): path.read_bytes()
        for path in folder.parent.rglob("*")
        if path.is_file() and folder / "run" not in path.parents and folder in path.parents
    }


def pages(made: Made) -> dict[str, Path]:
    return {name: Path(made.run.path, name, "index.html") for name in ("explore", "report")}


def test_pages_hold_it_as_text(made: Made) -> None:
    for name, file in pages(made).items():
        text = file.read_text(encoding="utf-8")
        reader = read(text)
        scripts = re.findall(r"<script[^>]*>", text)
        assert scripts == ([] if name == "explore" else [scripts[0], "<script>"])
        assert not {"img", "iframe", "object", "base", "form"} & set(reader.tags)
        assert not re.search(r"<[^>]*\sonerror=", text)
        assert "{{" in text  # a template in an id is not run
        assert not CONTROLS.search(text)
        assert len(text) < 3_000_000
        assert max(map(len, reader.texts)) < 2000
        assert any(IMAGE in one for one in reader.texts)


def test_data_of_the_map_is_text_for_its_script(made: Made) -> None:
    text = pages(made)["report"].read_text(encoding="utf-8")
    [data] = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert data.isascii()
    assert "<" not in data
    labels = json.loads(data)["labels"]
    assert len(labels) == len(MOVIES)
    assert max(map(len, labels)) <= 256 + len("movie ")
    assert any(SCRIPT in label for label in labels)


@pytest.mark.browser
@needs_browser[1]
@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_nothing_runs_in_a_browser_and_pages_keep_their_width(
    made: Made, tmp_path: Path, width: int
) -> None:
    with browse(tmp_path / "profile") as tab:
        for file in pages(made).values():
            tab.open(file, width, dark=False)
            assert "hacked" not in tab.ask("document.title").replace(NAME, "")
            assert tab.ask("document.documentElement.scrollWidth") == width
            assert tab.ask("document.images.length") == 0
            assert not tab.requests
            assert not tab.faults


def test_log_lines_cannot_be_forged_and_have_no_controls(made: Made) -> None:
    assert not CONTROLS.search(made.log)
    for line in made.log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+ recspark|    ", line), line
        assert len(line) < 2000


def test_errors_have_no_controls_and_are_short(made: Made) -> None:
    def fails(call: object, *words: object) -> str:
        with pytest.raises(RecsparkError) as raised:
            call(*words)  # type: ignore[operator]
        return str(raised.value)

    evil = f"\u001b[31m\n{SCRIPT}" + "z" * 100_000
    users = made.folder / "users.txt"
    users.write_text(f"{evil}\n")
    texts = [
        fails(made.run.model, evil),
        fails(made.run.similar, "als", evil),
        fails(made.run.similar, "als", 7),
        fails(made.run.model("als").predict, [7], [evil]),
        fails(load_config, ["--name=t", f"--models={evil}"], "t"),
        fails(load_config, [f"--name={evil}"], "t"),
    ]
    for text in texts:
        assert not CONTROLS.search(text)
        assert len(text) < 4000
    users.unlink()


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "", "a\nb", "/etc", "x" * 101, "~"])
def test_names_of_models_are_no_paths(made: Made, name: str) -> None:
    for option in ("models", "recommend.models", "similar.models", "blend.members"):
        with pytest.raises(RecsparkError, match=re.escape(option)):
            load_config(["--name=t", f"--{option}={json.dumps([name, 'als'])}"], "t")
    with pytest.raises(RecsparkError, match="no finished model of that name"):
        made.run.model(name)


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "."])
def test_a_name_is_no_path_unless_the_run_directory_is_given(name: str) -> None:
    with pytest.raises(RecsparkError, match="name: found"):
        load_config([f"--name={name}"], "t")
    assert load_config([f"--name={name}", "--run_dir=/tmp/r"], "t").root == "/tmp/r"


def test_scored_pairs_are_in_one_folder_of_a_plain_name(made: Made) -> None:
    [folder] = Path(made.run.path, "scored_pairs").iterdir()
    assert re.fullmatch(r"b_2f_p{1,95}", folder.name)
    assert [one.name for one in folder.iterdir()] == ["als"]


def test_no_csv_is_written_that_a_spreadsheet_could_open() -> None:
    """Lists, scored pairs and predictions are Parquet; the one CSV has a guard of its own."""
    written = re.compile(r"(^|\.)(to_csv|writer|DictWriter|write_csv)$")
    found = []
    for path in (Path(recspark.__file__).parent).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if written.search(name) or name.endswith(".write.csv"):
                    found.append(path.name)
    assert found == ["export.py"]  # see tests/recommend/test_export.py
