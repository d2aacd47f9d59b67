"""What is refused before a session starts and anything is fitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from recspark.config.load import load_config, load_model_configs
from recspark.errors import ConfigError, DataError
from recspark.jobs.checks import check_pipeline, check_recommend
from recspark.jobs.job import Check, Request

SURE, UNSURE = "als", "bayesian_mf_interactions"
REFUSED = r"recommend\.caution: found 0\.5, and {}, a model that states no .*Remove {} from"


def request_of(
    folder: Path,
    *listed: str,
    preset: str | None = None,
    setting: tuple[str, str] = ("caution", "0.5"),
    more: tuple[str, str] | tuple[()] = (),
) -> Request:
    """Return a request for lists of some models; `preset` is the only one with the setting."""
    (folder / "u.data").write_text("1\t1\t5\t0\n")
    (folder / "u.item").write_text("1|One (1990)|01-Jan-1990||\n")
    words = [
        *("--name", "checks", "--run_dir", str(folder / "run")),
        *("--models", f"bias,ease,{SURE},{UNSURE}", "--recommend.models", ",".join(listed)),
        *("--ingest.format", "movielens_100k", "--ingest.ratings", str(folder / "u.data")),
        *("--ingest.movies", str(folder / "u.item"), "--blend.members", f"{SURE},{UNSURE}"),
        *more,
    ]
    own = [f"--recommend.{setting[0]}", setting[1]]
    if preset is None:
        words += own
    models = load_model_configs(words, prog="test")
    if preset is not None:
        models[preset] = load_model_configs([*words, *own], prog="test")[preset]
    return Request(load_config(words, prog="test"), models)


@pytest.mark.parametrize("check", [check_pipeline, check_recommend])
@pytest.mark.parametrize("name", [SURE, "blend"])
def test_caution_is_refused_for_a_model_that_will_state_no_deviation(
    tmp_path: Path, check: Check, name: str
) -> None:
    with pytest.raises(ConfigError, match=REFUSED.format(name, name)):
        check(request_of(tmp_path, UNSURE, name))


def test_caution_is_taken_for_models_that_will_state_deviations(tmp_path: Path) -> None:
    check_pipeline(request_of(tmp_path, UNSURE))
    check_pipeline(request_of(tmp_path, UNSURE, SURE, preset=UNSURE))
    with pytest.raises(DataError, match="train"):  # the next thing that is checked
        check_recommend(request_of(tmp_path, UNSURE))


def test_caution_matters_only_where_lists_are_made(tmp_path: Path) -> None:
    request = request_of(tmp_path, UNSURE, SURE)
    object.__setattr__(request.config, "until", "fit")
    check_pipeline(request)
    with pytest.raises(ConfigError, match="caution"):
        check_pipeline(request_of(tmp_path, SURE, preset=SURE))


@pytest.mark.parametrize("check", [check_pipeline, check_recommend])
def test_caution_is_refused_where_users_are_known_by_histories(
    tmp_path: Path, check: Check
) -> None:
    for more, users in (
        (("--recommend.histories", "new.csv"), r"recommend\.histories"),
        (("--prepare.split", "held_out_users"), r"prepare\.split held_out_users"),
    ):
        request = request_of(tmp_path, UNSURE, more=more)
        with pytest.raises(ConfigError, match=rf"recommend\.caution: found 0\.5, with {users}"):
            check(request)


def test_files_of_movies_must_exist(tmp_path: Path) -> None:
    file = str(tmp_path / "deny.txt")
    request = request_of(tmp_path, SURE, preset=SURE, setting=("deny_movies", file))
    with pytest.raises(DataError, match=r"deny\.txt: found no such file.*recommend\.deny_movies"):
        check_pipeline(request)
