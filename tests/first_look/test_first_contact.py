from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from recspark.config import IngestConfig, TableConfig
from recspark.first_look.first_contact import explain_refusals
from recspark.first_look.trial import try_format, try_table
from recspark.ingest.formats import FORMATS
from recspark.ingest.load import Sample
from recspark.tables import parsed as r
from tests.ingest.sources import source_of


def explain(path: Path, settings: IngestConfig) -> tuple[str, str]:
    """The message about what `settings` refuse of a file."""
    source = source_of(path)
    if settings.format == "table":
        parsed = try_table(settings.table, source).parsed
    else:
        parsed = try_format(FORMATS[settings.format], source)
    rejects = parsed.rejects if parsed else []
    samples = [Sample(source.name, one.line + 1, one.text, one.reason) for one in rejects]
    return explain_refusals([source], settings, Counter(x.reason for x in rejects), samples)


def table(**changes: object) -> IngestConfig:
    settings = TableConfig(user="u", movie="m", rating="r", **changes)  # type: ignore[arg-type]
    return IngestConfig(format="table", table=settings)


def test_reasons_form_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("u,m,r,t\n1,2,3,2012-03-04 10:11:12\n1,3,\x1b[31m,2012-03-04 10:11:12\n")
    found, remedy = explain(path, table(time="t", time_format="seconds"))
    assert "1 × not a time in seconds since 1970 " in found
    assert "a.csv:2: '1,2,3,2012-03-04 10:11:12')" in found
    assert rf"1 × {r.BAD_NUMBER} " in found
    assert r"a.csv:3: '1,3,\x1b[31m,2012" in found
    assert "4 fields separated by a comma, the columns u, m, r, t, encoding utf-8" in found
    assert "first row '1,2,3,2012-03-04 10:11:12'" in found
    assert remedy.startswith("Set ingest.table: {time_format: auto}.")


@pytest.mark.parametrize(
    ("text", "changes", "remedy"),
    [
        ("u;m;r\n1;2;3,5\n", {}, "{decimal: ','}"),
        ('u;m;r\n1;2;"1,300"\n2;2;"1,300"\n', {}, "{thousands: ','}"),
        ('u,m,r\n1,"Weird" Al,3\n2,"Q" B,4\n', {}, "{quote: null}"),
        ("u,m,r\nx,2,3\n", {"ids": "whole"}, "{ids: auto}"),
    ],
)
def test_settings_that_would_read_it(
    tmp_path: Path, text: str, changes: dict[str, object], remedy: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert remedy in explain(path, table(**changes))[1]


def test_nothing_but_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("u,m,r\n")
    found, remedy = explain(path, table())
    assert found.endswith("no row below the column names")
    assert remedy == "Name a file with ratings in ingest.ratings."


def test_a_table_where_movielens_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("customer,product,stars\n1,B0,10\n")
    _, remedy = explain(path, IngestConfig(format="movielens_csv"))
    assert remedy == (
        "Set ingest.format: table and ingest.table: {user: customer, movie: product, "
        "rating: stars}."
    )
