from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from recspark import cli
from recspark.config import TableConfig
from recspark.config.load import load_config
from recspark.first_look.trial import try_format, try_table
from tests.ingest.sources import source_of

MOVIELENS = "".join(f"{n}::{n % 7}::{n % 5 + 1}::{978300760 + n}\n" for n in range(30))


def inspect(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, dict[str, object]]:
    """The exit code, the report and the config that it ends with."""
    code = cli.main(["inspect", *words])
    report = capsys.readouterr().out
    _, mark, text = report.partition("pipeline --config my.yaml\n")
    return code, report, yaml.safe_load(text) if mark else {}


@pytest.mark.parametrize(
    ("name", "text", "table"),
    [
        (
            "a.csv",
            "customer;asin;overall;unixReviewTime\nA1;B1;5;1252800000\nA2;B2;4;1252800001\n",
            {"user": "customer", "movie": "asin", "rating": "overall", "time": "unixReviewTime"},
        ),
        ("a.txt", "1 10 5\n2 10 3\n3 20 1\n", {"user": 1, "movie": 2, "rating": 3}),
        (
            "a.csv",
            "2013-07-11,u1,i1,3\n2013-07-25,u2,i1,5\n2013-08-25,u3,i2,5\n",
            {"user": 2, "movie": 3, "rating": 4, "time": 1},
        ),
        (
            "a.jsonl",
            '{"user_id":"a","business_id":"b","stars":5.0,"date":"2013-07-11 10:00:00"}\n',
            {"movie": "business_id", "rating": "stars", "time": "date"},
        ),
        ("a.csv", "user_id,item_id\n1,2\n", {"movie": "item_id", "rating": None}),
    ],
)
def test_table_is_read_with_the_config_that_is_printed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    table: dict[str, object],
) -> None:
    path = tmp_path / name
    path.write_text(text)
    code, report, config = inspect(capsys, str(path))
    assert code == 0
    assert config["ingest"] == {"format": "table", "ratings": str(path), "table": table}
    num_rows = try_table(TableConfig(**table), source_of(path)).num_rows  # type: ignore[arg-type]
    assert f"{num_rows} would be read, 0 refused" in report
    saved = tmp_path / "my.yaml"
    saved.write_text(yaml.safe_dump(config))
    assert load_config(["--config", str(saved)], "recspark pipeline").ingest.ratings == str(path)


def test_columns_are_shown_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"user_id,item_id,rating\n\x1b[31m{'x' * 90},7,3\n")
    code, report, _ = inspect(capsys, str(path))
    assert "\x1b" not in report
    assert r"\x1b[31mxxx" in report
    assert "item_id  whole numbers  7  ← movie, by its name" in report
    # The id holds a control character, so nothing is read.
    assert (code, "user id holds a control character: line 2" in report) == (5, True)


def test_archive_of_movielens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ml.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("ml/ratings.dat", MOVIELENS)
        file.writestr("ml/movies.dat", "1::Heat (1995)::Action\n2::Big (1988)::Comedy\n")
        file.writestr("ml/README", "about")
    code, report, config = inspect(capsys, str(path))
    assert code == 0
    assert "ingest.format movielens_1m" in report
    assert config["ingest"] == {
        "format": "movielens_1m",
        "ratings": f"{path}!ml/ratings.dat",
        "movies": f"{path}!ml/movies.dat",
    }


def test_netflix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "combined_data_1.txt").write_text("1:\n7,3,2005-09-06\n8,4,2005-09-07\n")
    _, _, config = inspect(capsys, str(tmp_path))
    assert config["ingest"] == {"format": "netflix", "ratings": str(tmp_path)}


def test_parquet_and_settings_that_are_not_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"], "c": [-1.0, 3.0]}), path)
    words = ("--user", "a", "--movie=b", "--rating", "c", "--missing=[-1]")
    code, report, config = inspect(capsys, str(path), *words)
    assert code == 0
    assert "1 would be read, 0 refused, 1 left out as not rated" in report
    assert "ids of users are whole numbers, of movies text" in report
    assert config["ingest"]["table"] == {  # type: ignore[index]
        "user": "a",
        "movie": "b",
        "rating": "c",
        "missing": [-1.0],
    }
    code, report, _ = inspect(capsys, str(path), "--user", "x")
    assert (code, "no columns x among a, b, c" in report) == (5, True)


def test_columns_that_folders_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(25):
        (tmp_path / f"item_id=i{number}").mkdir()
        (tmp_path / f"item_id=i{number}" / "part-00000.csv").write_text(
            "user_id,rating\n7,3\n8,4\n"
        )
    code, report, config = inspect(capsys, str(tmp_path))
    assert code == 0
    assert "item_id  of the folder  i0  ← movie, by its name" in report
    assert f"… and 5 more files of {tmp_path}, not looked at" in report
    assert config["ingest"] == {
        "format": "table",
        "ratings": str(tmp_path),
        "table": {"movie": "item_id"},
    }


def test_ratings_come_before_a_table_of_two_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a_users.dat").write_text("1::900001\n2::900002\n")
    (tmp_path / "ratings.dat").write_text("1::0111161::10::1373234211\n1::0060196::7::1363245118\n")
    _, _, config = inspect(capsys, str(tmp_path))
    assert config["ingest"]["ratings"] == str(tmp_path / "ratings.dat")  # type: ignore[index]


def test_what_is_no_rating_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1]")
    code, report, _ = inspect(capsys, str(path))
    assert code == 5
    assert "found one JSON array" in report
    assert "Nothing here would be read as ratings." in report


def test_mistakes_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect"]) == 2
    assert cli.main(["inspect", "--user", "x"]) == 2
    assert cli.main(["inspect", "a.csv", "--usr", "x"]) == 2
    assert "usr" in capsys.readouterr().err
    assert cli.main(["inspect", "/nowhere/a.csv"]) == 5
    assert cli.main(["inspect", "--help"]) == 0
    assert "--separator" in capsys.readouterr().out


def test_known_layouts_are_tried_by_their_parsers(tmp_path: Path) -> None:
    path = tmp_path / "ratings.dat"
    path.write_text(MOVIELENS)
    from recspark.ingest.formats import FORMATS

    parsed = try_format(FORMATS["movielens_1m"], source_of(path))
    assert parsed is not None
    assert len(parsed.rows) == 30
