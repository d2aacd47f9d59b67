"""The default parameters of the DAG, read from its text: Airflow is not needed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from recspark.config.load import load_config, load_model_configs

ROOT = Path(__file__).resolve().parents[2]
DAG = ROOT / "jobs" / "airflow" / "recspark_dag.py"
CONFIG = ["--config", str(ROOT / "conf" / "movielens-100k.yaml")]


def read_defaults() -> dict[str, Any]:
    """Return the parameters whose default is a literal."""
    [params] = [
        node.value
        for node in ast.parse(DAG.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PARAMS"
    ]
    assert isinstance(params, ast.Dict)
    found = {}
    for name, value in zip(params.keys, params.values, strict=True):
        assert isinstance(name, ast.Constant)
        assert isinstance(value, ast.Call)
        if isinstance(value.args[0], ast.List):
            found[str(name.value)] = ast.literal_eval(value.args[0])
    return found


def test_the_default_night_fits_the_models_of_its_config() -> None:
    defaults = read_defaults()
    models = load_model_configs(CONFIG, prog="test.py")
    by_spark = [name for name, one in models.items() if one.baseline.algorithm]
    assert sorted(defaults["baselines"]) == sorted(by_spark)
    assert sorted(defaults["trained"]) == sorted(models.keys() - set(by_spark))


def test_the_default_night_makes_lists_of_the_blend_and_similar_movies() -> None:
    defaults = read_defaults()
    config = load_config(CONFIG, prog="test.py")
    assert defaults["list_blend"] == list(config.list_blend.members)
    assert len(defaults["list_blend"]) >= 2
    assert defaults["recommend"] == ["list_blend"]
    assert set(defaults["similar"]) <= set(config.similar.models)
    assert defaults["similar"]
