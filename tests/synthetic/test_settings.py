from __future__ import annotations

import pytest

from recspark.config.load import load_settings
from recspark.errors import ConfigError
from recspark.synthetic.settings import GenerateConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_users": 10, "num_movies": 10, "num_ratings": 101}, "num_users × num_movies = 100"),
        ({"num_users": 10, "num_movies": 10, "num_ratings": 99}, "num_users × num_movies = 100"),
        ({"num_users": 10, "num_movies": 10, "num_ratings": 19}, "≥ 20"),
        ({"num_users": 0}, "num_users: found 0"),
        ({"num_movies": 0}, "num_movies: found 0"),
        ({"seed": -1}, "seed: found -1"),
        ({"num_tasks": 0}, "num_tasks: found 0"),
        ({"probe_share": 1.5}, "probe_share: found 1.5"),
        ({"choice": -0.1}, "choice: found -0.1, expected 0 to 5"),
        ({"choice": 5.5}, "choice: found 5.5, expected 0 to 5"),
        ({"output": ""}, "a folder to write to"),
        ({"num_users": 2**30, "num_ratings": 2**31}, "2\\^31"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GenerateConfig(**changes)


def test_as_many_ratings_as_cells_are_possible() -> None:
    GenerateConfig(num_users=10, num_movies=10, num_ratings=100, qualifying_share=0)


def test_command_line_is_read_strictly() -> None:
    config = load_settings(GenerateConfig, ["--num_ratings", "900000", "--force"], prog="test")
    assert (config.num_ratings, config.force, config.num_movies) == (900_000, True, 17_770)
    with pytest.raises(ConfigError, match="num_ratings"):
        load_settings(GenerateConfig, ["--num_rating", "900000"], prog="test")
