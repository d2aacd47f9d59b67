from __future__ import annotations

from pathlib import Path

from recspark.config.load import load_config
from recspark.tuning.results import (
    describe_trial,
    name_next_command,
    render_trials,
    write_yaml,
)
from recspark.tuning.trials import find_best, read_trials, write_trials
from tests.tuning.samples import TRIALS


def test_the_best_is_the_lowest_that_finished() -> None:
    best = find_best(TRIALS)
    assert best is not None
    assert best.number == 2  # trial 3 was stopped
    assert find_best(TRIALS[1:2]) is None


def test_the_yaml_is_a_config_file(tmp_path: Path) -> None:
    best = find_best(TRIALS)
    assert best is not None
    file = tmp_path / "best.yaml"
    file.write_text(write_yaml("mlp", best, 5))
    config = load_config(["--name", "t", "--config", str(file)], "test")
    assert config.train.reg == 0.0345
    assert config.train.layers == ("dense 8", "relu")
    assert "# The best of 5 trials of mlp: RMSE 0.9100 on valid, trial 2." in file.read_text()


def test_the_table_has_finished_trials_first() -> None:
    lines = render_trials(TRIALS).splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == ["2", "4", "0", "3", "1"]
    assert lines[2].split()[:5] == ["2", "0.9100", "2", "1.2", "0.0345"]
    assert "pruned" in lines[5]
    assert lines[-1] == "5 trials, 1 pruned, 1 failed"


def test_the_log_line_of_a_trial() -> None:
    assert describe_trial("mlp", TRIALS[4], TRIALS[2]) == (
        "tune: mlp trial 4: valid RMSE 0.9300 (best 0.9100, trial 2), 2 epochs, 1.2 s, "
        "reg 0.5, layers dense 8, relu"
    )
    assert describe_trial("mlp", TRIALS[1], None).endswith(": a loss of <b>inf</b>")


def test_the_next_command_keeps_the_data_and_drops_the_search() -> None:
    words = [
        *("--config", "conf/a.yaml", "--models", "bias", "mlp", "--tune.trials", "9"),
        *("--train.reg", "0.5", "--force", "--tune.space={train.reg: {low: 1, high: 2}}"),
        *("--run_dir", "runs/my|run", "--train.epochs=3"),
    ]
    command = name_next_command(words, "train", "mlp", {"train.reg"}, "runs/x/best.yaml")
    assert command == (
        "recspark train --config conf/a.yaml --run_dir 'runs/my|run' --train.epochs=3 "
        "--config runs/x/best.yaml --models mlp"
    )


def test_trials_are_read_back_if_they_belong_to_the_search(tmp_path: Path) -> None:
    path = str(tmp_path / "studies" / "mlp.json")
    assert read_trials(path, {"seed": 1}) == []
    write_trials(path, TRIALS[::-1], {"seed": 1})
    assert read_trials(path, {"seed": 1}) == TRIALS
    assert read_trials(path, {"seed": 2}) == []
