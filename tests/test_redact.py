"""recspark neither shows nor stores credentials."""

from __future__ import annotations

import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.cli import run_job
from recspark.errors import DataError, describe
from recspark.jobs.job import Job
from recspark.logs import configure_logging
from recspark.redact import MAX_MESSAGE, printable, redact, redact_values, shown

SECRET = "hunter2ABC"


@pytest.mark.parametrize(
    "word", ["z", "token", "a://", "z:", "secret.", "jdbc:oracle:thin:/", "&sig"]
)
def test_long_words_take_no_time(word: str) -> None:
    started = time.thread_time()
    redact(word * (1_000_000 // len(word)))
    assert time.thread_time() - started < 5


def test_a_printable_message_keeps_its_lines_and_loses_its_controls() -> None:
    assert printable("a\n\tb\x1b[31m\r\u202e\u2028\udcff é") == (
        "a\n\tb\\x1b[31m\\r\\u202e\\u2028\\udcff é"
    )
    assert len(printable("x" * 10**6)) == MAX_MESSAGE


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain é", "plain é"), ("a\n\x1b[31m", "a\\n\\x1b[31m"), ("x" * 99, "x" * 79 + "…")],
)
def test_shown_text_is_one_short_line(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_no_part_of_an_error_is_endless() -> None:
    text = describe("x" * 10**6, found="y" * 10**6, expected="z", remedy="Do it.")
    assert len(text) < 7000
    assert text.endswith(", expected z. Do it.")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://AKIA:hunter2ABC@bucket/raw/u.data", "s3://***@bucket/raw/u.data"),
        ("jdbc:x, HDFS://me:hunter2ABC@nn:8020/a b", "jdbc:x, HDFS://***@nn:8020/a b"),
        ("https://h/x?X-Amz-Signature=hunter2ABC&a=1", "https://h/x?X-Amz-Signature=***&a=1"),
        ("https://h/x?sv=1&sig=hunter2ABC", "https://h/x?sv=1&sig=***"),
        ("AWS_SECRET_ACCESS_KEY=hunter2ABC", "AWS_SECRET_ACCESS_KEY=***"),
        ("fs.s3a.secret.key: hunter2ABC", "fs.s3a.secret.key: ***"),
        ("{'password': 'hunter2ABC', 'a': 1}", "{'password': '***', 'a': 1}"),
        ("spark.authenticate.secret=hunter2ABC", "spark.authenticate.secret=***"),
        ("jdbc:derby:db;user=me;password=hunter2ABC;x=1", "jdbc:derby:db;user=me;password=***;x=1"),
        ("jdbc:sqlserver://h;Pwd=hunter2ABC", "jdbc:sqlserver://h;Pwd=***"),
        ("jdbc:oracle:thin:me/hunter2ABC@h:1521:x", "jdbc:oracle:thin:me/***@h:1521:x"),
        ("pem_private_key: hunter2ABC", "pem_private_key: ***"),
    ],
)
def test_credentials_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "ingest: 5 lines = 3 ratings + 2 rejects: see /data/u.data:17",
        "abfss://container@account.dfs.core.windows.net/run",
        "hdfs://namenode:8020/run and s3a://bucket/run@2026",
        "user@example.org wrote: 12:30:00",
        "movie 7 'The Secret of NIMH' (1982)",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert redact(text) == text


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/@:'\""), min_size=8
    )
)
def test_any_password_in_a_url_is_hidden(password: str) -> None:
    shown = redact(f"s3://key:{password}@bucket/x")
    assert shown == "s3://***@bucket/x"


def test_nested_data_is_redacted() -> None:
    value = {
        "s3://k:hunter2ABC@b/u.data": "5@1",
        "ingest": {"ratings": ["s3://k:hunter2ABC@b/u.data", 3, None]},
        "storage_token": SECRET,
        "num_tokens": 7,
    }
    assert redact_values(value) == {
        "s3://***@b/u.data": "5@1",
        "ingest": {"ratings": ["s3://***@b/u.data", 3, None]},
        "storage_token": "***",
        "num_tokens": 7,
    }


def test_errors_are_redacted_however_they_are_created() -> None:
    url = f"s3://key:{SECRET}@bucket/x"
    assert SECRET not in str(DataError(f"cannot read {url}"))
    assert SECRET not in describe(url, found=url, expected=url, remedy=f"Look at {url}.")
    assert "s3://***@bucket/x: found" in describe(url, found=1, expected=2, remedy="")


def test_log_lines_and_tracebacks_are_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    logger = logging.getLogger("recspark.test")
    try:
        raise OSError(f"s3://key:{SECRET}@bucket/x is not there")
    except OSError:
        logger.exception("reading %s", f"s3://key:{SECRET}@bucket/x")
    shown = capsys.readouterr().err
    assert "reading s3://***@bucket/x" in shown
    assert "OSError: s3://***@bucket/x is not there" in shown
    assert SECRET not in shown


def test_unexpected_errors_of_a_job_are_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    def body(*_: object) -> None:
        raise OSError(f"s3://key:{SECRET}@bucket/x is not there")

    job = Job("ingest", "", (), body, uses_spark=False)
    assert run_job(job, ["--name", "x"]) == 1
    shown = capsys.readouterr().err
    assert "OSError: s3://***@bucket/x is not there" in shown
    assert "Traceback" in shown
    assert SECRET not in shown
