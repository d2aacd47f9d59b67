from __future__ import annotations

from recspark.tuning.page import render_page
from tests.pages import read
from tests.tuning.samples import SPACE, TRIALS, trial


def test_the_page_shows_the_best_each_setting_and_every_trial() -> None:
    page = render_page("mlp", SPACE, TRIALS)
    found = read(page)
    assert found.sections == ["progress", "reg", "layers", "trials"]
    assert found.svgs == {"progress": 2, "reg": 2, "layers": 2}
    assert "Trial 2 is the best of 5: RMSE 0.9100, 0.0400 below the preset" in found.headings
    assert "train.reg: best at 0.0345" in found.headings
    assert found.cells.count("dense 8, relu") == 5
    assert found.cells[found.cells.index("2") + 1] == "0.9100"
    assert "script" not in found.tags
    assert "mathdefault" not in page  # numbers of a log axis are plain
    assert not [link for link in found.links if not link.startswith(("#", "data:"))]


def test_text_of_errors_is_escaped() -> None:
    assert "<b>" not in render_page("<b>", SPACE, TRIALS)


def test_one_trial_is_enough_for_a_page() -> None:
    page = render_page("mlp", SPACE, [trial(0, 0.9)])
    assert "No trial was better than the preset: RMSE 0.9000" in page


def test_a_trial_far_above_the_others_is_in_the_table_only() -> None:
    trials = [trial(number, 0.9 + number / 1000) for number in range(9)]
    page = render_page("mlp", SPACE, [*trials, trial(9, 50.0)])
    assert "1 far worse or failed trials are only in the table." in page
    assert "50.0000" in read(page).cells
