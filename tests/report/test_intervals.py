"""Intervals of groups against repeated draws, and headings that ignore small groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recspark.page.certainty import MIN_COUNT, quantile
from recspark.report.calibration import make_calibration
from recspark.report.errors import make_errors
from recspark.report.intervals import (
    find_extremes,
    find_widening,
    mean_error_standard_error,
    rmse_standard_error,
)
from recspark.report.leaderboards import Board, Leaderboards
from tests.report import samples


def group(rmse: float, num_rows: int, mean_error: float = 0.0) -> dict[str, Any]:
    return {"rmse": rmse, "num_rows": num_rows, "mean_error": mean_error}


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (0.8, 0.6), (-1.5, 0.3)])
def test_standard_errors_equal_those_of_repeated_draws(mean: float, spread: float) -> None:
    errors = np.random.default_rng(5).normal(mean, spread, size=(4000, 400))
    rmse = np.sqrt((errors**2).mean(axis=1))
    one = group(float(np.hypot(mean, spread)), 400, mean)
    assert rmse_standard_error(one) == pytest.approx(rmse.std(), rel=0.05)
    assert mean_error_standard_error(one) == pytest.approx(errors.mean(axis=1).std(), rel=0.05)


def test_a_group_without_error_has_no_interval() -> None:
    assert rmse_standard_error(group(0.0, 10)) == 0
    assert mean_error_standard_error(group(0.5, 10, -0.5)) == 0


def test_quantiles_equal_those_in_tables() -> None:
    assert quantile() == pytest.approx(1.95996, abs=1e-5)
    assert quantile(10) == pytest.approx(2.80703, abs=1e-5)  # 1 − 0.0025


def test_intervals_are_as_wide_as_the_bootstrap_interval() -> None:
    metrics = samples.make_metrics("mf", 1)
    half = quantile() * metrics["rmse"] / np.sqrt(2 * metrics["num_rows"])
    # Clipping the predictions moves the mean of the errors slightly away from 0.
    assert find_widening(metrics) == pytest.approx(0.02 / half, rel=0.02)
    narrow = {**metrics, "rmse_interval": [metrics["rmse"], metrics["rmse"]]}
    assert find_widening(narrow) == 1


def test_extremes_ignore_small_groups() -> None:
    small = group(1.34, 41)
    low, middle, high = group(0.9, 2000), group(0.95, 4000), group(1.2, 900)
    assert find_extremes([small, high, middle, low], 1.0) == (low, high, True)
    assert find_extremes([small, low], 1.0) is None
    assert find_extremes([small, small], 1.0) is None
    # The groups differ by 2%, but each RMSE is only known to about 3%.
    near = group(0.918, 2000)
    assert find_extremes([low, near], 1.0) == (low, near, False)
    assert find_extremes([low, high], 9.0) == (low, high, False)


def board(groups: list[dict[str, Any]] | None = None, **values: Any) -> Board:
    found = samples.make_board()
    for one in found.metrics.values():
        one.update(values)
        if groups is not None:
            one["cuts"]["user_activity"] = groups
    return found


def support(low: int, high: int, rmse: float, num_rows: int) -> dict[str, Any]:
    return {**group(rmse, num_rows), "from": low, "to": high, "mean_prediction": 3.5}


def slice_heading(groups: list[dict[str, Any]]) -> str:
    return make_errors(board(groups), "").panels[0].heading


def test_headings_of_slices_are_about_large_groups_that_differ() -> None:
    rows = [support(1, 1, 1.34, 41), support(2, 3, 1.2, 5000), support(4, 7, 0.8, 9000)]
    assert slice_heading(rows) == (
        "By users’ ratings in train: RMSE 0.80 at 4–7 (n = 9,000), 1.20 at 2–3 (n = 5,000)"
    )
    assert slice_heading(rows[:2]).endswith("too few test ratings to compare groups")
    alike = [support(2, 3, 0.8, 5000), support(4, 7, 0.805, 9000)]
    assert slice_heading(alike).endswith(
        "the test set cannot distinguish groups (RMSE 0.80 to 0.81)"
    )


def test_small_groups_are_grey_and_show_their_count() -> None:
    rows = [support(1, 1, 1.34, 41), support(2, 3, 1.2, 5000), support(4, 7, 0.8, 9000)]
    chapter = make_errors(board(rows), "")
    panel = chapter.panels[0]
    assert panel.tables[0].few == {0}
    assert f"fewer than {MIN_COUNT} test ratings" in chapter.text
    assert panel.drawing is not None
    assert ">41<" in panel.drawing.narrow
    assert "var(--soft)" in panel.drawing.narrow
    assert "RMSE 1.34" not in panel.heading


def bins(*groups: tuple[float, int]) -> list[dict[str, Any]]:
    return [
        {
            **group(0.9, num_rows, off),
            **{"from": 3 + place / 4, "to": 3.25 + place / 4},
            **{"mean_prediction": 3.1 + place / 4, "mean_rating": 3.1 + place / 4 - off},
        }
        for place, (off, num_rows) in enumerate(groups)
    ]


def test_calibration_heading_claims_no_more_than_the_test_set_shows() -> None:
    def heading(*groups: tuple[float, int]) -> str:
        leaderboards = Leaderboards([board(calibration=bins(*groups))])
        return make_calibration(leaderboards).panels[0].heading

    assert heading((0.9, 41), (0.7, 10)).startswith("Too few test ratings")
    assert heading((0.9, 41), (0.01, 2000), (-0.02, 900)).endswith("off by no more than chance")
    # The weighted mean without the small bin: (0.4 · 3000 + 0.1 · 1000) / 4000.
    assert heading((0.9, 41), (0.4, 3000), (-0.1, 1000)) == (
        "Predictions of mf are off by 0.33 stars on average (n = 4,000)"
    )
    # All errors below 0: (0.4 · 3000 + 0.2 · 1000) / 4000.
    assert heading((-0.4, 3000), (-0.2, 1000)).endswith("off by 0.35 stars on average (n = 4,000)")


def intervals(*covered: float) -> list[dict[str, Any]]:
    return [
        {"level": level, "num_rows": 1900, "covered": one, "mean_width": 4 * level}
        for level, one in zip((0.68, 0.95), covered, strict=True)
    ]


def test_intervals_are_shown_for_the_models_of_all_boards_that_state_them() -> None:
    plain, timed = samples.make_board(), samples.make_board("timed")
    for one in timed.rows:
        one["protocol"] = "small; times of test known"
    plain.metrics["mf"]["intervals"] = []  # it states none
    assert len(make_calibration(Leaderboards([plain])).panels) == 1
    plain.metrics["bias"]["intervals"] = intervals(0.7013, 0.9444)
    timed.metrics["timed"]["intervals"] = intervals(0.66, 0.9)
    [_, panel] = make_calibration(Leaderboards([plain, timed])).panels
    assert panel.heading == "94.4% of the test ratings lie inside the 95% intervals of bias"
    assert [table.title for table in panel.tables] == [plain.protocol, "small; times of test known"]
    assert [table.rows for table in panel.tables] == [
        [["bias", "68%", "70.1%", "2.72", "1,900"], ["bias", "95%", "94.4%", "3.80", "1,900"]],
        [["timed", "68%", "66.0%", "2.72", "1,900"], ["timed", "95%", "90.0%", "3.80", "1,900"]],
    ]
    [_, panel] = make_calibration(Leaderboards([timed])).panels
    assert panel.heading == "90.0% of the test ratings lie inside the 95% intervals of timed"
