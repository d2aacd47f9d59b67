from __future__ import annotations

from pathlib import Path

import pytest

from recspark.config import Config
from recspark.config.load import load_model_configs
from recspark.contract.paths import LIST_BLEND

CONF = Path(__file__).parents[2] / "conf"
# config → ratings of its data set
SIZES = {
    "sample": 100_000,
    "movielens-100k": 100_000,
    "movielens-1m": 1_000_209,
    "choice": 10_000_000,
    "movielens-10m": 10_000_054,
    "movielens-20m-liang": 20_000_263,
    "movielens-25m": 25_000_095,
    "netflix": 100_480_507,
}
MANY_RATINGS = 5_000_000


def load(name: str) -> dict[str, Config]:
    return load_model_configs(["--config", str(CONF / f"{name}.yaml")], prog="test.py")


def test_the_size_of_every_data_set_is_known() -> None:
    configs = {path.stem for path in CONF.glob("*.yaml")}
    assert {name for name in configs if not name.startswith("generate")} == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_a_config_names_presets_that_exist_and_lists_models_that_it_fits(name: str) -> None:
    models = load(name)
    assert "bias" in models
    one = models["bias"]
    made = {*models, LIST_BLEND} if one.list_blend.members else set(models)
    assert {*one.list_blend.members, *one.similar.models} <= set(models)
    assert set(one.recommend.models) <= made


@pytest.mark.parametrize("name", [name for name, size in SIZES.items() if size > MANY_RATINGS])
def test_many_ratings_are_trained_in_large_steps(name: str) -> None:
    """Batches of 1,024 took hours for the Netflix set."""
    trained = {n: model.train for n, model in load(name).items() if model.train.architecture}
    assert trained
    for preset, settings in trained.items():
        if settings.encodes_users:
            continue  # a step takes whole users, with all their ratings
        assert preset.endswith("_large")
        assert settings.solves_rows or settings.batch_size >= 65_536
