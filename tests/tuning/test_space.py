from __future__ import annotations

from dataclasses import replace

import pytest

from recspark.config import Config
from recspark.config.load import load_model_configs
from recspark.config.presets import list_presets
from recspark.config.tune import SearchRange, TuneConfig
from recspark.errors import ConfigError
from recspark.tuning.space import choose_space, own_settings, require_spaces, start_inside


def configs(*models: str, space: dict | None = None) -> dict[str, Config]:
    loaded = load_model_configs(["--name", "t", "--models", ",".join(models)], "test")
    tune = TuneConfig(space=space or {})
    return {name: replace(config, tune=tune) for name, config in loaded.items()}


@pytest.mark.parametrize("preset", list_presets())
def test_every_preset_has_a_space_that_holds_its_own_values(preset: str) -> None:
    models = configs(preset)
    require_spaces(models)
    space, own = choose_space(models[preset]), own_settings(models[preset])
    changed = {name: (own[name], value) for name, value in start_inside(space, own).items()}
    # Nothing but a 0, which has no logarithm, is moved.
    assert all(before == after or before == 0 for before, after in changed.values()), changed


def test_a_space_lies_around_the_preset() -> None:
    space = choose_space(configs("biased_mf")["biased_mf"])
    assert set(space) == {
        "train.embedding_size",
        "train.learning_rate",
        "train.reg",
        "train.learning_rate_decay",
    }
    assert space["train.embedding_size"] == SearchRange(low=16, high=256, log=True)
    assert space["train.learning_rate"].low == pytest.approx(0.002)
    assert space["train.learning_rate"].high == pytest.approx(0.05)
    # The cosine schedule has no decay.
    assert "train.learning_rate_decay" not in choose_space(
        configs("netflix_mf_large")["netflix_mf_large"]
    )


def test_each_model_takes_its_own_settings_of_the_space() -> None:
    models = configs(
        *("bias", "als", "biased_mf"),
        space={
            "baseline.als.reg": {"low": 0.01, "high": 1, "log": True},
            "train.embedding_size": {"choices": [8, 16]},
        },
    )
    require_spaces(models)
    assert set(choose_space(models["als"])) == {"baseline.als.reg"}
    assert choose_space(models["biased_mf"]) == {
        "train.embedding_size": SearchRange(choices=(8, 16))
    }
    assert set(choose_space(models["bias"])) == {
        "baseline.bias.reg_user",
        "baseline.bias.reg_movie",
    }


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"train.regg": {"low": 0.1, "high": 1}}, "Did you mean train.reg?"),
        ({"train.architecture": {"choices": ["autorec"]}}, "the setting train.architecture"),
        ({"baseline.als.reg": {"low": 0.1, "high": 1}}, "one that decides how biased_mf learns"),
        ({"train.num_ranks": {"choices": [1, 2]}}, "the setting train.num_ranks"),
        ({"train.learning_rate": {"low": 0, "high": 1}}, "train.learning_rate: found 0"),
        ({"train.embedding_size": {"low": 1.5, "high": 8}}, "expected a whole number"),
        ({"train.optimizer": {"choices": ["adam", "adm"]}}, "Did you mean adam?"),
        ({"train.layers": {"choices": [["dense 8"], ["dens 8"]]}}, "`dens 8`"),
    ],
)
def test_a_setting_or_value_that_no_trial_could_have_is_refused(space: dict, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        require_spaces(configs("biased_mf", space=space))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "raw",
    [
        [0.1, 1],
        {"low": 0.1},
        {"low": 1, "high": 1},
        {"low": 2, "high": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": "a", "high": "b"},
        {"low": True, "high": 2},
        {"low": 0.1, "high": 1, "step": 0.1},
        {"low": 0.1, "high": 1, "log": "yes"},
        {"choices": []},
        {"choices": 3},
        {"choices": [1], "low": 1},
    ],
)
def test_a_range_of_another_form_is_refused(raw: object) -> None:
    with pytest.raises(ConfigError, match=r"tune\.space of train\.reg: found"):
        TuneConfig(space={"train.reg": raw})  # type: ignore[dict-item]


def test_the_first_trial_is_the_preset_moved_into_the_ranges() -> None:
    space = {
        "train.reg": SearchRange(low=0.2, high=1.0),
        "train.epochs": SearchRange(low=10, high=90),
        "train.optimizer": SearchRange(choices=("sgd",)),
        "train.layers": SearchRange(choices=((), ("dense 8",))),
        "train.clip_norm": SearchRange(low=1.0, high=2.0),
    }
    own = own_settings(configs("biased_mf")["biased_mf"])
    # reg 0.1 is below the range; adam is no choice and null no number, so both are drawn.
    assert start_inside(space, own) == {"train.reg": 0.2, "train.epochs": 30, "train.layers": ()}
