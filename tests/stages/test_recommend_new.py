"""Lists for users unknown to a run, against the lists of its own users and dense NumPy."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recspark.config import (
    BaselineConfig,
    Config,
    EaseConfig,
    ItemKnnConfig,
    PrepareConfig,
    RecommendConfig,
    ScorePairsConfig,
    SignalConfig,
    TrainConfig,
)
from recspark.config.sampler import SamplerConfig
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.datasets.signal import Signal
from recspark.errors import ConfigError, DataError
from recspark.jobs.checks import check_recommend, check_score_pairs
from recspark.jobs.job import Request
from recspark.notebook.model import Model
from recspark.recommend.caps import find_rare
from recspark.stages import baseline, recommend, recommend_new, score_pairs, train
from tests.baselines import dense, items
from tests.runs import movie_id, user_id, write_movies, write_prepared
from tests.stages.ranked import EASE, KNN, STARS

IN_VALID = np.random.default_rng(8).random(items.RATINGS.shape) < 0.15
TRAIN = np.where(IN_VALID, np.nan, items.RATINGS)
VALID = np.where(IN_VALID, items.RATINGS, np.nan)
NEW = 5_000_000
"""What is added to the id of a user of the run to make an unknown one."""
NO_SUCH_MOVIE = 999_999

SMALL: dict[str, Any] = {"embedding_size": 4, "num_ranks": 1, "device": "cpu"}
MODELS: dict[str, dict[str, Any]] = {
    "ease": {"algorithm": "ease"},
    "popularity": {"algorithm": "popularity"},
    "item_knn": {"algorithm": "item_knn"},
    "ials": {
        **SMALL,
        "architecture": "dot_product",
        "optimizer": "ials",
        "target": "raw",
        "init_scale": 0.1,
        "epochs": 5,
        "reg": 0.02,
        "unobserved_weight": 0.2,
        "refit": True,
    },
    "mult_vae": {
        **SMALL,
        "architecture": "mult_vae",
        "target": "raw",
        "layers": ("dropout 0.3", "dense 6", "tanh"),
        "batch_size": 16,
        "epochs": 4,
        "kl_epochs": 2,
        "refit": True,
    },
    "mf_als": {
        **SMALL,
        "architecture": "biased_mf",
        "optimizer": "als",
        "init_scale": 0.3,
        "epochs": 4,
        "reg": 0.1,
        "refit": True,
    },
    "bayesian_mf": {
        **SMALL,
        "architecture": "bayesian_mf",
        "target": "standardized",
        "init_scale": 0.3,
        "epochs": 12,
        "refit": True,
        "sampler": SamplerConfig(burn_in=4, samples=4),
    },
}
TOLERANCE = {
    "ease": 1e-5,
    "item_knn": 1e-5,
    "popularity": 1e-5,
    "ials": 1e-4,
    "mult_vae": 1e-5,
    "mf_als": 1e-4,
}

Lists = dict[Any, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def fitted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Config]:
    """Models of one run that answer for unknown users, and bias, which does not."""
    config = Config(
        name="t",
        run_dir=str(tmp_path_factory.mktemp("new_users")),
        models=(*MODELS, "bias"),
        prepare=PrepareConfig(num_buckets=items.NUM_BUCKETS),
        signal=SignalConfig(weights=STARS),
        baseline=BaselineConfig(ease=EaseConfig(**EASE), item_knn=ItemKnnConfig(**KNN)),
        recommend=RecommendConfig(top_n=6),
    )
    sizes = {"num_users": items.NUM_USERS, "num_movies": items.NUM_MOVIES}
    cells, valid = dense.cells(TRAIN), dense.cells(VALID)
    write_prepared(spark, config, train=cells, valid=valid, test=[], **sizes)
    found = {}
    for name, settings in {**MODELS, "bias": {"algorithm": "bias"}}.items():
        if "algorithm" in settings:
            own = dataclasses.replace(config.baseline, **settings)
            found[name] = dataclasses.replace(config, baseline=own)
            baseline.run(found[name], name, spark)
        else:
            found[name] = dataclasses.replace(config, train=TrainConfig(**settings))
            train.run(found[name], name, spark)
    return found


def read_lists(path: str) -> Lists:
    found: Lists = {}
    for row in sorted(
        pq.read_table(path).to_pylist(), key=lambda row: (row[c.USER_ID], row[c.RANK])
    ):
        entries = found.setdefault(row[c.USER_ID], [])
        entries.append((row[c.MOVIE_ID], row[c.SCORE]))
        assert row[c.RANK] == len(entries)
    return found


def own_lists(spark: SparkSession, fitted: dict[str, Config], name: str) -> Lists:
    recommend.run(fitted[name], name, spark)
    return read_lists(RunPaths(fitted[name].root).recommendations(name))


def list_new(
    spark: SparkSession, fitted: dict[str, Config], name: str, path: Path, **changes: Any
) -> tuple[Lists, Manifest]:
    """Return the lists made from a file, and their manifest."""
    config = fitted[name]
    settings = dataclasses.replace(config.recommend, histories=str(path), **changes)
    recommend_new.run(dataclasses.replace(config, recommend=settings), name, spark)
    output = RunPaths(config.root).new_recommendations(name)
    manifest = read_manifest(output)
    assert manifest is not None
    return read_lists(output), manifest


def write_csv(
    path: Path, rows: list[tuple[Any, ...]], header: str = "userId,movieId,rating"
) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def all_rows(shift: int = NEW) -> list[tuple[Any, ...]]:
    """Return what every user of the run rated, in no order, by users with other ids."""
    cells = [(user_id(u) + shift, movie_id(m), r) for u, m, r in dense.cells(items.RATINGS)]
    return [cells[at] for at in np.random.default_rng(2).permutation(len(cells))]


def check(found: Lists, wanted: Lists, tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    for user, entries in wanted.items():
        assert [movie for movie, _ in found[user]] == [movie for movie, _ in entries]
        scores = [score for _, score in entries]
        assert [score for _, score in found[user]] == pytest.approx(scores, abs=tolerance)


@pytest.mark.parametrize("name", list(TOLERANCE))
def test_a_users_own_history_gives_his_own_list(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path, name: str
) -> None:
    own = own_lists(spark, fitted, name)
    rows = [*all_rows(), (1, NO_SUCH_MOVIE, 3.0), (2, movie_id(0), 4.0), (2, NO_SUCH_MOVIE, 4.0)]
    found, manifest = list_new(spark, fitted, name, write_csv(tmp_path / "new.csv", rows))
    found.pop(2, None)
    # Users whose ratings are all in valid have no list of their own, but a history.
    only_valid = {user_id(u) for u in np.flatnonzero(np.isnan(TRAIN).all(axis=1))}
    others = {user - NEW: entries for user, entries in found.items()}
    check({u: x for u, x in others.items() if u not in only_valid}, own, TOLERANCE[name])
    assert manifest.counts["users"] == (~np.isnan(items.RATINGS)).any(axis=1).sum() + 2
    assert manifest.counts["known_users"] == 0
    assert manifest.counts["users_without_movie"] == 1
    assert manifest.counts["ratings_of_unknown_movies"] == 2
    assert read_lists(RunPaths(fitted[name].root).recommendations(name)) == own


def test_an_unknown_user_of_a_posterior_gets_a_list_like_that_of_a_known_one(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    own = own_lists(spark, fitted, "bayesian_mf")
    path = write_csv(tmp_path / "new.csv", all_rows())
    found, _ = list_new(spark, fitted, "bayesian_mf", path)
    assert {user - NEW for user in found} >= own.keys()
    mine = [score for user in own for _, score in own[user]]
    theirs = [score for user in own for _, score in found[user + NEW]]
    assert np.abs(np.array(mine) - theirs).mean() < 0.3
    assert all(1 < score < 5.5 for score in theirs)


def test_users_of_the_run_keep_what_it_knows_and_the_newest_rating_counts(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    """All ratings of the run are of second 100."""
    known = np.argwhere(~np.isnan(items.RATINGS))
    later, older, untimed = known[3], known[40], known[90]
    assert len({*known[[3, 40, 90], 0].tolist()}) == 3
    changed = items.RATINGS.copy()
    rows: list[tuple[Any, ...]] = []
    for (user, movie), second in ((later, 41), (older, 39), (untimed, None)):
        rating = 1.0 if changed[user, movie] > 2 else 5.0
        time = "" if second is None else f"1970-01-01 00:01:{second}"
        rows.append((user_id(user), movie_id(movie), rating, time))
        if second != 39:
            changed[user, movie] = rating
    rows += [
        (77_777, movie_id(3), rating, f"1970-01-01 00:00:0{second}")
        for rating, second in ((2.0, 7), (5.0, 9), (1.0, 8))
    ]
    path = write_csv(tmp_path / "new.csv", rows, "user_id,movie_id,rating,timestamp")
    found, manifest = list_new(spark, fitted, "ease", path, top_n=20)
    assert (manifest.counts["users"], manifest.counts["known_users"]) == (4, 3)
    signal = np.where(np.isnan(changed), 0, np.interp(np.nan_to_num(changed), range(1, 6), STARS))
    x = np.where(
        np.isnan(items.RATINGS), 0, np.interp(np.nan_to_num(items.RATINGS), range(1, 6), STARS)
    )
    table = items.ease(x, **EASE)
    scores = signal @ table
    for user in (later[0], older[0], untimed[0]):
        wanted = {
            movie_id(movie): scores[user, movie]
            for movie in np.flatnonzero(np.isnan(items.RATINGS[user]))
            if not np.isnan(TRAIN[:, movie]).all()
        }
        assert dict(found[user_id(user)]) == pytest.approx(wanted, abs=1e-4)
    newest = STARS[4] * table[3]
    assert all(score == pytest.approx(newest[m], abs=1e-4) for m, score in by_index(found[77_777]))


def by_index(entries: list[tuple[int, float]]) -> list[tuple[int, float]]:
    index = {movie_id(movie): movie for movie in range(items.NUM_MOVIES)}
    return [(index[movie], score) for movie, score in entries]


def test_files_of_every_kind_and_text_ids_give_the_same_lists(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    rows = all_rows()
    wanted, _ = list_new(spark, fitted, "ease", write_csv(tmp_path / "new.csv", rows))
    columns = {
        n: [row[at] for row in rows] for at, n in enumerate(("user_id", "movie_id", "rating"))
    }
    pq.write_table(pa.table(columns), tmp_path / "new.parquet", row_group_size=50)
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    (tmp_path / "new.jsonl").write_text("\n".join(lines))
    (tmp_path / "bare.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows))
    (tmp_path / "u.data").write_text("\n".join(f"{u}\t{m}\t{r:g}\t100" for u, m, r in rows))
    for name in ("new.parquet", "new.jsonl", "bare.tsv", "u.data"):
        assert list_new(spark, fitted, "ease", tmp_path / name)[0] == wanted, name
    named = [(f"user {user}", movie, rating) for user, movie, rating in rows]
    found, manifest = list_new(spark, fitted, "ease", write_csv(tmp_path / "text.csv", named))
    assert {int(user.split()[1]): entries for user, entries in found.items()} == wanted
    assert (manifest.columns[c.USER_ID], manifest.columns[c.MOVIE_ID]) == ("STRING", "BIGINT")


def test_the_number_of_tasks_changes_nothing(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*all_rows(), *all_rows(shift=0)]
    path = write_csv(tmp_path / "new.csv", rows)
    wanted, first = list_new(spark, fitted, "ease", path)
    monkeypatch.setattr("recspark.recommend.histories.PART_ROWS", 20)
    (tmp_path / "copy").mkdir()
    found, second = list_new(spark, fitted, "ease", write_csv(tmp_path / "copy" / "new.csv", rows))
    assert found == wanted
    assert first.counts == second.counts
    assert second.counts["known_users"] == second.counts["users"] / 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("7,12,9.5", r"new\.csv:3: '7,12,9\.5' \(rating is not a number from 1 to 5"),
        ("7,12,", r"new\.csv:3: '7,12,' \(rating is not a number from 1 to 5"),
        (",12,3", r"new\.csv:3: ',12,3' \(user id is empty"),
    ],
)
def test_lines_that_are_no_ratings_of_the_scale_are_refused(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path, row: str, message: str
) -> None:
    path = tmp_path / "new.csv"
    path.write_text(f"userId,movieId,rating\n5,7,5\n{row}\n")
    with pytest.raises(DataError, match=message):
        list_new(spark, fitted, "ease", path)


def test_a_file_without_ratings_is_refused_where_ratings_differ(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "new.csv", [(5, 7)], "userId,movieId")
    with pytest.raises(DataError, match="no column of ratings, expected ratings from 1 to 5"):
        list_new(spark, fitted, "ease", path)


def test_a_model_that_cannot_answer_and_a_file_that_is_not_there_are_refused_before_the_start(
    fitted: dict[str, Config], tmp_path: Path
) -> None:
    def request(name: str, path: Path) -> Request:
        chosen = RecommendConfig(models=(name,), histories=str(path))
        config = dataclasses.replace(fitted[name], recommend=chosen)
        return Request(config, {name: config})

    path = write_csv(tmp_path / "new.csv", [(5, 7, 3)])
    check_recommend(request("ease", path))
    with pytest.raises(ConfigError, match=r"found bias, which .* ease, item_knn, ials"):
        check_recommend(request("bias", path))
    with pytest.raises(DataError, match=r"recommend\.histories .*gone\.csv: found no file"):
        check_recommend(request("ease", tmp_path / "gone.csv"))


def test_the_api_gives_the_lists_of_the_job(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    rows = [*all_rows(), (1, NO_SUCH_MOVIE, 3.0)]
    frame = pd.DataFrame(rows, columns=[c.USER_ID, c.MOVIE_ID, c.RATING])
    for name in ("ease", "ials"):
        wanted, _ = list_new(spark, fitted, name, write_csv(tmp_path / f"{name}.csv", rows))
        model = Model(fitted[name].root, name)
        found: Lists = {}
        for row in model.recommend(frame, n=6).itertuples(index=False):
            found.setdefault(row.user_id, []).append((row.movie_id, row.score))
            assert row.rank == len(found[row.user_id])
        check(found, wanted, 1e-6)
    model = Model(fitted["ease"].root, "ease")
    twice = pd.DataFrame({c.USER_ID: ["a", "a"], c.MOVIE_ID: [movie_id(3)] * 2, c.RATING: [1, 5]})
    pd.testing.assert_frame_equal(model.recommend(twice), model.recommend(twice[1:]))
    assert model.recommend(twice[:0]).empty
    with pytest.raises(DataError, match="found 1 ratings such as 7 in row 0, expected numbers fro"):
        model.recommend(twice[:1].assign(rating=7))
    with pytest.raises(DataError, match="found no columns movie_id among user_id, rating"):
        model.recommend(twice.drop(columns=c.MOVIE_ID))


GENRES = ["Comedy|Drama", "Comedy", None, "War", "Drama|War"]
LIMITS: dict[str, Any] = {"max_per_genre": 2, "rare_share": 0.3, "reasons": 2, "titles": True}


def limited_lists(include_seen: bool, denied: set[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the lists of ease for `all_rows` under LIMITS, chosen greedily; scores by NumPy."""
    x = items.weights(Signal((1.0, 2.0, 3.0, 4.0, 5.0), STARS))
    table = items.ease(x, **EASE)
    counts = (~np.isnan(TRAIN)).sum(axis=0)
    is_rare = find_rare(counts)
    found: dict[int, list[dict[str, Any]]] = {}
    for user in np.flatnonzero((~np.isnan(items.RATINGS)).any(axis=1)):
        scores = x[user] @ table
        chosen: list[int] = []
        for movie in np.argsort(-scores, kind="stable").tolist():
            hidden = not np.isnan(items.RATINGS[user, movie]) and not include_seen
            some = [*chosen, movie]
            names = [name for one in some for name in (GENRES[one % 5] or "").split("|") if name]
            breaks = max((names.count(name) for name in names), default=0) > 2
            breaks |= sum(not is_rare[one] for one in some) > 4
            if counts[movie] and not hidden and not breaks and movie not in denied:
                chosen.append(movie)
        for movie in chosen[:6]:
            added = x[user] * table[:, movie]
            best = [one for one in np.argsort(-added)[:2] if added[one] > 0]
            found.setdefault(user_id(user) + NEW, []).append(
                {
                    c.MOVIE_ID: movie_id(movie),
                    c.TITLE: f"Title {movie}",
                    c.REASONS: [movie_id(one) for one in best],
                    c.SCORE: pytest.approx(scores[movie], abs=1e-4),
                    c.CONTRIBUTION: pytest.approx(added[best].tolist(), abs=1e-4),
                }
            )
    return found


def shown(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Return rows of lists in the same form."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row[c.USER_ID], row[c.RANK])):
        reasons = list(row[c.REASONS])
        row[c.REASONS] = [one[c.MOVIE_ID] for one in reasons]
        row[c.CONTRIBUTION] = [one[c.CONTRIBUTION] for one in reasons]
        del row[c.RANK]
        found.setdefault(row.pop(c.USER_ID), []).append(row)
    return found


@pytest.mark.parametrize("include_seen", [False, True])
def test_lists_of_unknown_users_hold_to_every_limit_and_say_why(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path, include_seen: bool
) -> None:
    movies = [(movie_id(m), 1990, f"Title {m}", GENRES[m % 5]) for m in range(items.NUM_MOVIES)]
    write_movies(spark, fitted["ease"], movies)
    rows, limits = all_rows(), {**LIMITS, "include_seen": include_seen}
    (tmp_path / "deny.txt").write_text(f"{movie_id(2)}\n")
    path = write_csv(tmp_path / "new.csv", rows)
    deny = str(tmp_path / "deny.txt")
    _, manifest = list_new(spark, fitted, "ease", path, **limits, deny_movies=deny)
    found = pq.read_table(RunPaths(fitted["ease"].root).new_recommendations("ease")).to_pylist()
    wanted = limited_lists(include_seen, denied={2})
    assert shown(found) == wanted
    short = sum(len(entries) < 6 for entries in wanted.values())
    assert manifest.counts["short_lists"] == short > 0
    assert manifest.inputs.keys() == {"train", "valid", "model", "movies"}
    assert {Path(one["path"]).name for one in manifest.raw_files} == {"deny.txt", "new.csv"}
    frame = pd.DataFrame(rows, columns=[c.USER_ID, c.MOVIE_ID, c.RATING])
    answered = Model(fitted["ease"].root, "ease").recommend(frame, n=6, **limits)
    assert shown(answered.to_dict("records")) == limited_lists(include_seen, denied=set())


def test_what_lists_of_unknown_users_cannot_have_is_refused(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "new.csv", [(1, movie_id(2), 4.0)])
    message = r"recommend\.caution: found 1, with recommend\.histories, expected 0: no model states"
    with pytest.raises(ConfigError, match=message):
        list_new(spark, fitted, "bayesian_mf", path, caution=1.0)
    frame = pd.DataFrame({c.USER_ID: [1], c.MOVIE_ID: [movie_id(2)], c.RATING: [4.0]})
    with pytest.raises(ConfigError, match=r"recommend\.reasons: found 2, and mf_als, a model"):
        Model(fitted["mf_als"].root, "mf_als").recommend(frame, reasons=2)


def test_ratings_below_those_that_the_run_keeps_are_filtered_out(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    settings = dataclasses.replace(fitted["ease"].prepare, min_rating=3.0)
    kept = {**fitted, "ease": dataclasses.replace(fitted["ease"], prepare=settings)}
    rows = [(1, movie_id(2), 4.0), (1, movie_id(3), 0.5), (1, movie_id(3), 2.0)]
    found, _ = list_new(spark, kept, "ease", write_csv(tmp_path / "new.csv", rows))
    wanted, _ = list_new(spark, kept, "ease", write_csv(tmp_path / "other.csv", rows[:1]))
    assert found == wanted


def score(
    spark: SparkSession,
    fitted: dict[str, Config],
    name: str,
    pairs: Path,
    histories: Path | None = None,
) -> list[dict[str, Any]]:
    """Return the answers to a file of pairs, in its order."""
    chosen = ScorePairsConfig(pairs=str(pairs), histories=str(histories) if histories else None)
    score_pairs.run(dataclasses.replace(fitted[name], score_pairs=chosen), name, spark)
    folder = RunPaths(fitted[name].root).scored_pairs(pairs.stem, name)
    rows: list[dict[str, Any]] = pq.read_table(folder).to_pylist()
    assert [row[c.POSITION] for row in rows] == list(range(len(rows)))
    return rows


def test_pairs_of_unknown_users_are_answered_from_their_histories(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    cells = [(u, m) for u in range(items.NUM_USERS) for m in range(items.NUM_MOVIES)]
    cells = [cells[at] for at in np.random.default_rng(4).permutation(len(cells))]
    pairs = [(user_id(u), movie_id(m)) for u, m in cells]
    own = score(spark, fitted, "mf_als", write_csv(tmp_path / "own.csv", pairs, "userId,movieId"))
    new = [(f"new {user}", movie) for user, movie in pairs]
    new += [("stranger", movie_id(0)), (new[0][0], NO_SUCH_MOVIE)]
    asked = write_csv(tmp_path / "new.csv", new, "userId,movieId")
    rows = [(f"new {user - NEW}", movie, rating) for user, movie, rating in all_rows()]
    histories = write_csv(tmp_path / "histories.csv", rows)
    found = score(spark, fitted, "mf_als", asked, histories)
    *others, stranger, no_movie = found
    assert [(row[c.USER_ID], row[c.MOVIE_ID]) for row in found] == new
    num_folded = 0
    for mine, theirs in zip(own, others, strict=True):
        if mine[c.FALLBACK] is None:
            assert theirs[c.PREDICTION] == pytest.approx(mine[c.PREDICTION], abs=1e-4)
            assert theirs[c.FALLBACK] is None
            assert theirs[c.FOLDED_IN]
            num_folded += 1
    assert num_folded > 500
    assert (stranger[c.FOLDED_IN], stranger[c.FALLBACK]) == (False, "movie_effect")
    assert (no_movie[c.FOLDED_IN], no_movie[c.FALLBACK]) == (False, "global_mean")


def test_pairs_of_known_users_are_answered_from_what_they_rated_since(
    spark: SparkSession, fitted: dict[str, Config], tmp_path: Path
) -> None:
    known = int(np.flatnonzero((~np.isnan(TRAIN)).any(axis=1))[4])
    unrated = np.flatnonzero(np.isnan(items.RATINGS[known]))
    since = [(user_id(known), movie_id(m), 5.0) for m in unrated[:2]]
    complete = [
        (NEW, movie_id(m), items.RATINGS[known, m])
        for m in np.flatnonzero(~np.isnan(items.RATINGS[known]))
    ]
    complete += [(NEW, movie, rating) for _, movie, rating in since]
    histories = write_csv(tmp_path / "histories.csv", [*since, *complete])
    pairs = [(user, movie_id(m)) for m in range(items.NUM_MOVIES) for user in (user_id(known), NEW)]
    asked = write_csv(tmp_path / "both.csv", pairs, "userId,movieId")
    found = score(spark, fitted, "mf_als", asked, histories)
    old = write_csv(tmp_path / "old.csv", pairs[::2], "userId,movieId")
    before = [row[c.PREDICTION] for row in score(spark, fitted, "mf_als", old)]
    same = [row for row in found if row[c.MOVIE_ID] != movie_id(5)]  # of which nothing is known
    predictions = [row[c.PREDICTION] for row in same]
    assert predictions[::2] == pytest.approx(predictions[1::2], abs=1e-5)
    gaps = np.array([row[c.PREDICTION] for row in found[::2]]) - before
    assert np.abs(gaps).max() > 0.01


def test_histories_of_pairs_are_checked_before_the_start(
    fitted: dict[str, Config], tmp_path: Path
) -> None:
    path = str(write_csv(tmp_path / "new.csv", [(5, 7, 3)]))
    chosen = ScorePairsConfig(pairs=path, histories=path)
    config = dataclasses.replace(fitted["bias"], score_pairs=chosen)
    with pytest.raises(ConfigError, match=r"score_pairs\.histories: found bias, which knows only"):
        check_score_pairs(Request(config, {"bias": config}))
    with pytest.raises(ConfigError, match=r"expected null without score_pairs\.pairs"):
        ScorePairsConfig(histories=path)
