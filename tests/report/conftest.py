"""One full page, shared by all tests because drawing it takes seconds."""

from __future__ import annotations

import pytest

from recspark.report.assemble import make_report
from recspark.report.findings import Findings
from tests.report import samples


@pytest.fixture(scope="session")
def findings() -> Findings:
    return samples.make_findings()


@pytest.fixture(scope="session")
def page(findings: Findings) -> str:
    return make_report(findings)
