from __future__ import annotations

from pathlib import Path

import pytest

from recspark.config.load import load_config, load_model_configs
from recspark.config.presets import presets_folder
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


def test_the_command_line_wins_wherever_the_file_stands(config_file: str) -> None:
    config = load("--train.batch_size", "16", "--models", "bias", "--config", config_file)
    assert (config.train.batch_size, config.models) == (16, ("bias",))
    assert config.prepare.test_fraction == 0.3


@pytest.mark.parametrize("value", ["bias", "[bias]"])
def test_models_may_be_written_without_brackets(config_file: str, value: str) -> None:
    assert load("--config", config_file, "--models", value, "--force").models == ("bias",)
    assert load("--config", config_file, f"--models={value}").models == ("bias",)


@pytest.mark.parametrize(
    "words",
    ["bias,als", "bias als", "bias, als", "[bias, als]", "[bias,als]", "bias als --seed 3"],
)
def test_a_list_may_be_written_in_several_words(config_file: str, words: str) -> None:
    for option in ("--models", "--recommend.models"):
        config = load("--config", config_file, option, *words.split())
        found = config.models if option == "--models" else config.recommend.models
        assert found == ("bias", "als")
    assert load("--config", config_file, "--models", "bias, als").models == ("bias", "als")
    assert load("--config", config_file, "--recommend.models", "").recommend.models == ()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--force"], True),
        (["--force", "--seed", "3"], True),
        (["--force", "true"], True),
        (["--force=true"], True),
        (["--force", "false"], False),
        (["--force=false"], False),
        ([], False),
    ],
)
def test_a_flag_takes_nothing_or_true_or_false(
    config_file: str, words: list[str], expected: bool
) -> None:
    assert load("--config", config_file, *words).force is expected
    resume = [word.replace("--force", "--train.resume") for word in words]
    assert load("--config", config_file, *resume).train.resume is expected


def test_layers_are_read_from_one_word(config_file: str) -> None:
    config = load("--config", config_file, "--train.layers", "dense 64, dropout 0.5, relu")
    assert config.train.layers == ("dense 64", "dropout 0.5", "relu")


@pytest.mark.parametrize(
    "master", ["local", "local[*]", "local[4]", "local[2,3]", "local-cluster[2,1,1024]", "yarn"]
)
def test_masters_that_spark_knows_are_accepted(config_file: str, master: str) -> None:
    for form in (master, "spark://a:7077,b:7077", "k8s://https://h:443"):
        assert load("--config", config_file, "--spark.master", form).spark.master == form


def test_a_stray_word_names_the_option_that_was_meant(config_file: str) -> None:
    for words in ([config_file], ["--force", config_file], ["--models", "als", config_file]):
        with pytest.raises(ConfigError, match=rf"Did you mean --config {config_file}\?"):
            load(*words)
    with pytest.raises(ConfigError, match=r"found als without .*Did you mean --models als\?"):
        load("als", "--config", config_file)


def test_a_config_file_of_another_ending_or_spelling_is_named(config_file: str) -> None:
    folder = Path(config_file).parent
    (folder / "tiny2.yml").touch()  # closer in spelling
    for wrong in ("tiny.yml", "tinny.yaml", "tiny"):
        with pytest.raises(ConfigError, match=rf"{wrong}: found no .* mean {config_file}\?"):
            load("--config", str(folder / wrong))
    Path(config_file).rename(folder / "tiny.yml")
    assert load("--config", str(folder / "tiny.yml")).name == "tiny"
    with pytest.raises(ConfigError, match=r"Did you mean .*tiny\.yml\?"):
        load("--config", config_file)
    with pytest.raises(ConfigError, match="found a folder"):
        load("--config", str(folder))


def test_a_preset_alone_is_refused() -> None:
    preset = presets_folder() / "biased_mf.yaml"
    with pytest.raises(ConfigError, match=r"only the preset of a model.*--models biased_mf"):
        load("--config", str(preset))
    with pytest.raises(ConfigError, match=r"no such file.*comes with recspark.*--models biased_mf"):
        load("--config", "conf/models/biased_mf.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no settings, expected a YAML file of settings"),
        ("- a\n", "expected a YAML file of settings"),
        ("seed: 3\ntrain: [\n", r"c\.yaml:3: found text that is not YAML"),
        ("train: 3\n", "train: found 3, expected the settings of the section"),
        ("seed: 1\ntrain:\n", "train: found nothing, expected the settings of the section"),
        ("trian: {epochs: 3}\n", "the setting trian.epochs, .*Did you mean train.epochs"),
        ("train: {epochs: three}\n", "train.epochs: found three, expected a whole number"),
        ("models: bias\n", r"models: found bias, expected a list.*in a file models: \[bias\]"),
        ("name: 3\n", 'name: found 3, expected text.*write it in quotes: "3"'),
        ("ingest: {table: {tme: a}}\n", r"Did you mean ingest\.table\.time\?"),
    ],
)
def test_an_invalid_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as refused:
        load("--config", str(path))
    assert "<class" not in str(refused.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="found bytes that are not UTF-8 text"):
        load("--config", str(path))


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
        (
            ["--train.epochs", "many"],
            "train.epochs: found many, expected a whole number. Maximum number of passes",
        ),
        (["--train.epochs", "many"], r"over train \(count\)\. Example: --train\.epochs 30"),
        (["--train.epochs"], "train.epochs: found no value, expected a whole number"),
        (["--train.clip_norm", "big"], "train.clip_norm: found big, expected a number or null"),
        (["--train.resume", "maybe"], "train.resume: found maybe, expected true or false"),
        (["--train.decay_epochs", "4,x"], "train.decay_epochs: found x, expected a list of whole"),
        (["--train.decay_epochs", "4,x"], r"--train\.decay_epochs 4,8, or in a file decay_epochs"),
        (["--spark.properties", "x"], "spark.properties: found x, expected names with values"),
        (["--spark.master", "local[two]"], r"found local\[two\], expected local\[2\] for two"),
        (["--spark.master", "loca"], "spark.master: found loca, expected local"),
        (["--train.layers", "dense 64, gelu"], r"train\.layers: found `gelu`, expected `dense N`"),
        (["--train.architecture", "mf"], r"or null\..*Example: --train\.architecture biased_mf"),
        (["--train.layers", "dense"], "train.layers: found `dense`"),
        (["--train.epochs", "0"], "train.epochs: found 0, expected ≥ 1"),
        (["--prepare.valid_fraction", "1.0"], "prepare.valid_fraction: found 1.0"),
        (["--prepare.split", "pairs"], "prepare.pairs given exactly when"),
        (["--prepare.split=time", "--prepare.cut_date=2005-13-45"], "a day as YYYY-MM-DD"),
        (["--prepare.cut_date=2005-01-01"], "only with prepare.split time"),
        (["--ingest.format", "movielens_csf"], "ingest.format: found .*mean movielens_csv.*Layout"),
    ],
)
def test_wrong_value_names_the_field(config_file: str, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("--config", config_file, *words)


def test_missing_file_and_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: found no such file, expected a YAML file"):
        load("--config", str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match="neither --config nor --name"):
        load()


def test_unknown_preset_lists_the_known_ones(config_file: str) -> None:
    with pytest.raises(ConfigError, match=r"found alss.*Did you mean als\? The .* biased_mf"):
        load_model_configs(["--config", config_file, "--models", "alss"], prog="test.py")
    with pytest.raises(ConfigError, match=r"expected the name of a model\. The models are als"):
        load_model_configs(["--config", config_file, "--models", "zzz"], prog="test.py")


def test_the_blend_has_no_preset(config_file: str) -> None:
    words = ["--config", config_file, "--models", "als,blend"]
    with pytest.raises(ConfigError, match=r"models: found blend.*The job blend makes.*Only score_"):
        load_model_configs(words, prog="test.py")
    models = load_model_configs(words, prog="test.py", takes_blend=True)
    assert list(models) == ["als", "blend"]
    assert models["als"].baseline.algorithm == "als"
    assert models["blend"].baseline.algorithm is models["blend"].train.architecture is None


def test_a_preset_beside_the_config_may_end_in_yml(config_file: str) -> None:
    preset = Path(config_file).parent / "models" / "mine.yml"
    preset.write_text("baseline: {algorithm: bias}\n")
    models = load_model_configs(["--config", config_file, "--models", "mine"], prog="test.py")
    assert models["mine"].baseline.algorithm == "bias"


def test_preset_must_name_one_model(config_file: str) -> None:
    with pytest.raises(ConfigError, match="expected exactly one of them"):
        load_model_configs(["--config", config_file, "--models", "both"], prog="test.py")


def test_help_explains_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load("--help")
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert "Rows of one step over all ranks (count)" in " ".join(text.split())
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


@pytest.mark.parametrize("run_dir", ["runs/it's 50%, é=1 (new)", "s3://bucket/a", "hdfs:///a/b"])
def test_run_directory_may_have_an_odd_name(config_file: str, run_dir: str) -> None:
    assert load("--config", config_file, "--run_dir", run_dir).root.endswith(run_dir)


@pytest.mark.parametrize(
    ("run_dir", "character"),
    [
        ("runs/#1", "'#'"),
        ("runs/a[1]", r"'\['"),
        ("runs/{a}", "'{'"),
        ("runs/what?", r"'\?'"),
        ("runs/*", r"'\*'"),
        (r"runs\a", r"'\\\\'"),
        ("runs/a\tb", r"'\\t'"),
        ("runs/a::b", "'::'"),
    ],
)
def test_run_directory_that_spark_would_misread_is_refused(
    config_file: str, run_dir: str, character: str
) -> None:
    with pytest.raises(ConfigError, match=rf"run_dir: found {character} in .*--run_dir"):
        load("--config", config_file, "--run_dir", run_dir)


def test_address_with_one_slash_is_not_taken_for_a_folder(config_file: str) -> None:
    with pytest.raises(ConfigError, match=r"run_dir: found 'hdfs:/x', an address with one slash"):
        load("--config", config_file, "--run_dir", "hdfs:/x")


def test_run_directory_below_home(config_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/tmp/at home")
    assert load("--config", config_file, "--run_dir", "~/x").root == "/tmp/at home/x"


def test_missing_config_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"no such file from the folder {tmp_path}"):
        load("--config", "conf/none.yaml")


def test_fewer_models_on_the_command_line_leave_the_blend_of_lists_out(config_file: str) -> None:
    add_blend_of_lists(config_file)
    words = "--config", config_file
    assert load(*words).list_blend.members == ("als", "biased_mf")
    assert load(*words, "--models", "als,bias").list_blend.members == ()
    assert load(*words, "--models", "bias,biased_mf,als").list_blend.members == ("als", "biased_mf")
    asked = "--models", "als", "--list_blend.members", "als,bias"  # the pipeline refuses it
    assert load(*words, *asked).list_blend.members == ("als", "bias")
    for name, model in load_model_configs([*words, *asked[:2]], prog="test.py").items():
        assert model.list_blend.members == (), name


def test_the_log_says_once_that_the_blend_of_lists_is_left_out(
    config_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    add_blend_of_lists(config_file)
    words = ["--config", config_file, "--models"]
    with caplog.at_level("INFO"):
        load(*words, "biased_mf,als")
        load(*words, "als", "--list_blend.members", "als,bias")
        assert caplog.messages == []
        load(*words, "als,bias")
        load_model_configs([*words, "als,bias"], prog="test.py")
    [said] = caplog.messages
    assert said.endswith("because --models leaves out biased_mf of list_blend.members")


def add_blend_of_lists(config_file: str) -> None:
    with Path(config_file).open("a") as file:
        file.write("list_blend: {members: [als, biased_mf]}\n")
