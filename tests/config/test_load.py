from __future__ import annotations

from pathlib import Path

import pytest

from recspark.config.load import load_config, load_model_configs
from recspark.errors import ConfigError

CONFIG = """
models: [als, biased_mf]
prepare: {test_fraction: 0.3}
train: {batch_size: 512}
"""


@pytest.fixture
def config_file(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG)
    models = tmp_path / "models"
    models.mkdir()
    (models / "als.yaml").write_text("baseline: {algorithm: als, als: {reg: 0.25}}\n")
    (models / "biased_mf.yaml").write_text(
        "train: {architecture: biased_mf, epochs: 7, batch_size: 64}\n"
    )
    (models / "both.yaml").write_text(
        "baseline: {algorithm: als}\ntrain: {architecture: biased_mf}\n"
    )
    return str(path)


def load(*words: str):
    return load_config(list(words), prog="test.py")


def test_name_and_run_directory_come_from_the_file(config_file: str) -> None:
    config = load("--config", config_file)
    assert config.name == "tiny"
    assert config.root == str(Path("runs/tiny").resolve())


def test_layers_default_preset_file_command_line(config_file: str) -> None:
    models = load_model_configs(["--config", config_file, "--train.epochs", "3"], prog="test.py")
    assert list(models) == ["als", "biased_mf"]
    assert models["als"].baseline.als.reg == 0.25  # preset over default
    assert models["als"].baseline.als.embedding_size == 32  # default
    assert models["biased_mf"].train.batch_size == 512  # file over preset
    assert models["biased_mf"].train.epochs == 3  # command line over all
    assert models["biased_mf"].prepare.test_fraction == 0.3
    assert models["biased_mf"].name == "tiny"


@pytest.mark.parametrize("value", ["bias", "[bias]"])
def test_models_may_be_written_without_brackets(config_file: str, value: str) -> None:
    assert load("--config", config_file, "--models", value, "--force").models == ("bias",)
    assert load("--config", config_file, "--models", "bias,als").models == ("bias", "als")


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["--train.epohcs", "3"], "train.epochs"),
        (["--trian.epochs=3"], "train.epochs"),
        (["--prepare.valid_frction", "0.1"], "prepare.valid_fraction"),
        (["--see", "3"], "seed"),
    ],
)
def test_misspelt_option_names_the_nearest(
    config_file: str, words: list[str], nearest: str
) -> None:
    with pytest.raises(ConfigError, match=rf"Did you mean {nearest}\?"):
        load("--config", config_file, *words)


def test_misspelt_key_in_a_file_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("baseline:\n  als:\n    regg: 0.1\n")
    with pytest.raises(ConfigError, match=r"Did you mean baseline\.als\.reg\?"):
        load("--config", str(path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train.epochs", "many"], 'Parser key "train.epochs"'),
        (["--train.epochs", "0"], "train.epochs: found 0, expected ≥ 1"),
        (["--prepare.valid_fraction", "1.0"], "prepare.valid_fraction: found 1.0"),
        (["--prepare.split", "pairs"], "prepare.pairs given exactly when"),
        (["--prepare.split=time", "--prepare.cut_date=2005-13-45"], "a day as YYYY-MM-DD"),
        (["--prepare.cut_date=2005-01-01"], "only with prepare.split time"),
        (["--ingest.format", "cvs"], "ingest.format"),
    ],
)
def test_wrong_value_names_the_field(config_file: str, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("--config", config_file, *words)


def test_missing_file_and_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load("--config", str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match="neither --config nor --name"):
        load()


def test_unknown_preset_lists_the_known_ones(config_file: str) -> None:
    with pytest.raises(ConfigError, match=r"expected one of .*biased_mf.*Did you mean als\?"):
        load_model_configs(["--config", config_file, "--models", "alss"], prog="test.py")


def test_preset_must_name_one_model(config_file: str) -> None:
    with pytest.raises(ConfigError, match="expected exactly one of them"):
        load_model_configs(["--config", config_file, "--models", "both"], prog="test.py")


def test_help_explains_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load("--help")
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert "Rows in one step over all ranks (count)" in " ".join(text.split())
    options = [line for line in text.splitlines() if line.startswith("  --") and "." in line]
    assert len(options) > 30


def test_print_config_shows_the_preset_of_a_single_model(
    config_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load("--config", config_file, "--models", "biased_mf", "--print_config")
    assert "epochs: 7" in capsys.readouterr().out


def test_every_config_in_the_repository_is_valid() -> None:
    folder = Path(__file__).parents[2] / "conf"
    for path in folder.glob("*.yaml"):
        if not path.name.startswith("generate"):
            assert load_model_configs(["--config", str(path)], prog="test.py")
