"""Assemble the page from the findings: the chapters and their order."""

from __future__ import annotations

from recspark.contract.paths import PAGE
from recspark.datasets.prepared import PreparedFacts
from recspark.explore.page import describe_span, list_facts
from recspark.explore.panels import make_panels
from recspark.page.tables import whole
from recspark.redact import redact
from recspark.report.calibration import make_calibration
from recspark.report.chapter import Chapter, Link
from recspark.report.errors import make_errors
from recspark.report.findings import Findings
from recspark.report.inventory import Inventory
from recspark.report.lists import make_lists
from recspark.report.page import render_report
from recspark.report.people import make_examples, make_map, make_neighbors
from recspark.report.results import has_test, make_results, why_unmeasured
from recspark.report.training_curves import make_training_curves
from recspark.report.what_ran import gibibytes, list_steps, make_what_ran, minute


def make_report(findings: Findings) -> str:
    """Return the report as HTML text."""
    board = findings.leaderboards.main
    missing = why_unmeasured(findings.inventory)
    known = (findings.embedding, findings.movies)
    chapters = [
        make_results(findings.inventory, findings.leaderboards),
        make_lists(findings.lists, has_test=has_test(findings.inventory)),
        make_errors(board, missing),
        make_calibration(findings.leaderboards, missing),
        make_training_curves(findings.inventory, findings.trainings),
        _make_examples(findings),
        make_neighbors(*known, findings.min_ratings, findings.co_rated),
        make_map(*known, findings.min_ratings),
        _make_ratings(findings),
        make_what_ran(findings.inventory),
    ]
    return render_report(
        redact(findings.name),
        redact(findings.inventory.paths.root),
        _find_date(findings.inventory),
        _list_facts(findings),
        chapters,
    )


def _find_date(inventory: Inventory) -> str:
    """Return when the newest data set of the run was made, e.g. `2026-11-27 23:31 UTC`."""
    newest = max(manifest.created_at for manifest in inventory.manifests.values())
    return f"{minute(newest)} UTC"


def _make_examples(findings: Findings) -> Chapter:
    lists = findings.inventory.get(f"recommendations/{findings.lists_model}")
    settings = lists.settings if lists else {}
    return make_examples(findings.lists_model, findings.examples, settings)


def _make_ratings(findings: Findings) -> Chapter:
    title = "The ratings"
    if findings.statistics is None:
        missing = (
            "This run has no statistics of its current ratings. Run jobs/explore.py with the same "
            "--config."
        )
        return Chapter("data", title, missing=missing)
    text = (
        f"{describe_span(findings.statistics)} Plots and tables are on a separate "
        f"page, explore/{PAGE} in the run directory. In short:"
    )
    return Chapter(
        "data",
        title,
        text,
        facts=list_facts(findings.statistics),
        links=[
            Link(panel.heading, f"../explore/{PAGE}#{panel.name}")
            for panel in make_panels(findings.statistics)
        ],
    )


def _list_facts(findings: Findings) -> list[tuple[str, str]]:
    """Return the key figures of the run as (name, figure)."""
    inventory, facts = findings.inventory, []
    ratings, train, test = (inventory.get(name) for name in ("ratings", "train", "test"))
    if ratings is not None:
        facts.append(("Ratings", whole(ratings.num_rows)))
    if train is not None:
        facts.append(("Users", whole(PreparedFacts.of(train).num_users)))
        facts.append(("Movies", whole(PreparedFacts.of(train).num_movies)))
    if test is not None:
        facts.append(("Test ratings", whole(test.num_rows)))
    if findings.leaderboards.main is not None:
        best = findings.leaderboards.main.rows[0]
        facts.append(("Best model", best["model"]))
        facts.append(("Its RMSE", f"{best['rmse']:.4f}"))
    steps = list_steps(inventory)
    facts.append(("Total seconds", f"{sum(step['seconds'] for step in steps):,.0f}"))
    facts.append(("Peak memory", gibibytes(max(step["peak_memory_bytes"] for step in steps))))
    return facts
