"""What a task writes, from small models of random weights, against dense NumPy.

Users come from the buckets of a run, or are known by their histories alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.arrays.ids import TextIds
from recspark.config import RecommendConfig
from recspark.contract import columns as c
from recspark.contract.paths import LIST_BLEND, MODEL_CARD, SIGNAL_WEIGHTS
from recspark.datasets.histories import Histories
from recspark.datasets.train_buckets import TrainBuckets
from recspark.errors import ConfigError
from recspark.recommend import lists, reasons
from recspark.recommend.caps import find_rare, make_caps
from recspark.recommend.explainers import require_reasons
from recspark.recommend.history_lists import open_users
from recspark.recommend.listing import Listing
from recspark.recommend.lists import WrittenLists, write_lists
from recspark.recommend.own_lists import ListJob, write_bucket
from recspark.saved import items
from recspark.saved.arrays import save_movies
from recspark.scoring import list_blend
from recspark.scoring.load import SavedModel
from recspark.training.job import TrainJob
from tests.training import jobs
from tests.training.jobs import NUM_BUCKETS, NUM_MOVIES, NUM_USERS, train_alone
from tests.training.rankers import IALS, SIGNAL, make_ranker, saved_tables, weight_matrix
from tests.training.test_measure import rows_of

Row = dict[str, Any]
USER_IDS = TextIds.of([f"user {number}" for number in range(NUM_USERS)])
MOVIE_IDS = TextIds.of([f"{number:03}" for number in range(NUM_MOVIES)])
GENRES = [["A", "B"], ["A"], [], ["B"], ["A"]] * 4
TITLES = pa.array([None, *(f"Title {number}" for number in range(1, NUM_MOVIES))])
WEIGHTS = np.random.default_rng(2).normal(size=(NUM_MOVIES, NUM_MOVIES)).astype(np.float32)


def rated(*paths: str) -> np.ndarray:
    """Return which pairs are rated in data sets, [users, movies]."""
    found = np.zeros((NUM_USERS, NUM_MOVIES), bool)
    for path in paths:
        for file in Path(path).rglob("*.parquet"):
            table = pq.ParquetFile(file).read()
            found[table[c.USER_INDEX].to_numpy(), table[c.MOVIE_INDEX].to_numpy()] = True
    return found


def save_ease(job: TrainJob, folder: Path) -> None:
    folder.mkdir()
    items.save_dense(str(folder), WEIGHTS)
    card = {"algorithm": "ease", "num_users": NUM_USERS, "refit": False}
    card[SIGNAL_WEIGHTS] = SIGNAL.to_card()
    (folder / MODEL_CARD).write_text(json.dumps(card))


def save_item_knn(job: TrainJob, folder: Path) -> None:
    folder.mkdir()
    rows, movies = np.nonzero(WEIGHTS > 0.5)
    starts = np.searchsorted(rows, np.arange(NUM_MOVIES + 1))
    values = WEIGHTS[rows, movies]
    items.save_sparse(str(folder), items.SparseWeights(starts, movies.astype(np.int32), values))
    card = {"algorithm": "item_knn", "num_users": NUM_USERS, "refit": False}
    card[SIGNAL_WEIGHTS] = SIGNAL.to_card()
    (folder / MODEL_CARD).write_text(json.dumps(card))


def save_ials(job: TrainJob, folder: Path) -> None:
    train_alone(dataclasses.replace(job, valid_rows={}), folder)


def added_by_ials(job: TrainJob) -> np.ndarray:
    h, weights = saved_tables(job)[1], weight_matrix(job)
    num_movies = (weights > 0).any(axis=0).sum()
    found = np.zeros((NUM_USERS, NUM_MOVIES, NUM_MOVIES))
    for user, row in enumerate(weights):
        matrix = h.T @ np.diag(row + 0.2) @ h
        matrix += 0.05 * ((row > 0).sum() + 0.2 * num_movies) * np.eye(3)
        found[user] = (row[:, None] * h) @ np.linalg.solve(matrix, h.T)
    return found


def added_by(table: np.ndarray) -> Callable[[TrainJob], np.ndarray]:
    return lambda job: weight_matrix(job)[:, :, None] * table


MODELS: dict[str, tuple[Callable[[TrainJob, Path], None], Callable[[TrainJob], np.ndarray]]] = {
    "ease": (save_ease, added_by(WEIGHTS)),
    "item_knn": (save_item_knn, added_by(np.where(WEIGHTS > 0.5, WEIGHTS, 0))),
    "ials": (save_ials, added_by_ials),
}
"""How a model is saved, and what movie i of a user adds to the score of j, [users, i, j]."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few users and few contributions at a time."""
    monkeypatch.setattr(lists, "USER_BLOCK", 9)
    monkeypatch.setattr(reasons, "_CONTRIBUTIONS", 20)


@pytest.fixture(params=MODELS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ListJob, np.ndarray]:
    """Return a job with reasons and titles, and what each movie of a history adds to scores."""
    save, added = MODELS[request.param]
    job = make_ranker(tmp_path, **IALS)
    save(job, tmp_path / "m")
    train = TrainBuckets(job.train[0], job.train_rows, NUM_MOVIES)
    listing = Listing(
        model=SavedModel(str(tmp_path / "m"), str(tmp_path), NUM_BUCKETS, train, job.valid),
        count=6,
        candidates=np.arange(NUM_MOVIES, dtype=np.int32),
        movie_ids=MOVIE_IDS,
        num_reasons=3,
        titles=TITLES,
    )
    asked = ListJob(listing, rated=(job.train[0], job.valid), user_ids=USER_IDS)
    return asked, added(dataclasses.replace(job, folder=str(tmp_path / "m")))


def write(job: ListJob, root: Path) -> tuple[dict[int, list[Row]], list[WrittenLists]]:
    """Return what is written by user_index, ranks checked, and what tasks return."""
    return read([write_bucket(job, bucket, str(root / "lists")) for bucket in range(NUM_BUCKETS)])


def write_new(job: ListJob, root: Path) -> tuple[dict[int, list[Row]], list[WrittenLists]]:
    """Return the same for the same users, known by their histories of train alone."""
    rows = rows_of(job.rated[0])
    users, movies = rows[:, 0].astype(int), rows[:, 1].astype(np.int32)
    wanted = np.ones(NUM_USERS, bool) if job.wanted is None else job.wanted
    listed = np.flatnonzero(wanted & np.isin(np.arange(NUM_USERS), users))
    histories = Histories.group(users, movies, rows[:, 2].astype(np.float32), NUM_USERS)
    asked = open_users(job.listing, histories.take(listed), USER_IDS[listed])
    return read([write_lists(job.listing, asked, str(root / "lists"), "part.parquet")])


def read(written: list[WrittenLists]) -> tuple[dict[int, list[Row]], list[WrittenLists]]:
    found: dict[int, list[Row]] = {}
    for one in written:
        for row in pq.ParquetFile(one.file.written).read().to_pylist():
            entries = found.setdefault(int(row[c.USER_ID].removeprefix("user ")), [])
            entries.append(row)
            assert row[c.RANK] == len(entries)
    return found, written


WAYS = {"own": write, "new": write_new}


@pytest.mark.parametrize("way", WAYS)
def test_reasons_are_what_adds_most_to_the_score(
    made: tuple[ListJob, np.ndarray], tmp_path: Path, way: str
) -> None:
    job, added = made
    found, _ = WAYS[way](job, tmp_path)
    assert len(found) > NUM_USERS / 2
    num_reasons = set()
    for user, entries in found.items():
        for row in entries:
            movie = int(row[c.MOVIE_ID])
            assert row[c.SCORE] == pytest.approx(added[user, :, movie].sum(), abs=1e-4)
            best = sorted((-value, one) for one, value in enumerate(added[user, :, movie]))[:3]
            expected = [(f"{one:03}", -value) for value, one in best if value < 0]
            stored = [(one[c.MOVIE_ID], one[c.CONTRIBUTION]) for one in row[c.REASONS]]
            assert [one for one, _ in stored] == [one for one, _ in expected]
            np.testing.assert_allclose(
                [value for _, value in stored], [value for _, value in expected], atol=1e-5
            )
            assert row[c.TITLE] == (f"Title {movie}" if movie else None)
            num_reasons.add(len(stored))
    assert num_reasons >= {1, 2, 3}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("include_seen", [False, True])
@pytest.mark.parametrize("is_capped", [False, True])
def test_every_restriction_holds_for_every_row(
    made: tuple[ListJob, np.ndarray], tmp_path: Path, include_seen: bool, is_capped: bool, way: str
) -> None:
    job, added = made
    scores = added.sum(axis=1)
    settings = RecommendConfig(top_n=6, max_per_genre=2, rare_share=0.3)
    candidates = np.array([0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 13, 14, 16], np.int32)
    counts = rated(job.rated[0]).sum(axis=0)
    caps = make_caps(settings, candidates, counts, GENRES) if is_capped else None
    wanted = np.arange(NUM_USERS) % 3 > 0
    listing = dataclasses.replace(
        job.listing, candidates=candidates, include_seen=include_seen, caps=caps
    )
    job = dataclasses.replace(job, listing=listing, wanted=wanted)
    found, written = WAYS[way](job, tmp_path)
    seen = rated(*job.rated) if way == "own" else rated(job.rated[0])
    is_rare, num_seen = find_rare(counts), 0
    is_user = wanted & rated(job.rated[0]).any(axis=1)
    short = 0
    for user in range(NUM_USERS):
        entries = [int(row[c.MOVIE_ID]) for row in found.get(user, [])]
        if not is_user[user]:
            assert not entries
            continue
        # A greedy choice in the order of scores; a score of 0 is no answer.
        expected: list[int] = []
        for movie in sorted(candidates, key=lambda one: -scores[user, one]):
            chosen = [*expected, movie]
            names = [name for one in chosen for name in GENRES[one]]
            breaks = is_capped and (
                max((names.count(name) for name in names), default=0) > 2
                or sum(not is_rare[one] for one in chosen) > 4
            )
            hidden = seen[user, movie] and not include_seen
            if len(expected) < 6 and not breaks and not hidden and scores[user, movie] != 0:
                expected.append(int(movie))
        assert entries == expected
        num_seen += seen[user, entries].sum()
        short += 0 < len(entries) < 6
    assert (num_seen > 0) == include_seen
    assert sum(one.num_short for one in written) == short >= is_capped
    assert sum(one.num_users for one in written) == is_user.sum()
    assert sum(one.num_lists for one in written) == len(found)


def blend_of(tmp_path: Path) -> tuple[ListJob, np.ndarray]:
    """Return a job of a blend of ease, popularity and item_knn, and all movies' counts in train.

    Weights are positive, so that every movie of a history is a reason. No pair is in both train and
    valid; item_knn knows both.
    """
    job = make_ranker(tmp_path, **IALS)
    in_train, rows, valid = rated(job.train[0]), rows_of(job.valid), tmp_path / "valid_alone"
    rows = rows[~in_train[rows[:, 0].astype(int), rows[:, 1].astype(int)]]
    for bucket in range(NUM_BUCKETS):
        jobs.write_bucket(valid, bucket, *rows[rows[:, 0] % NUM_BUCKETS == bucket].T)
    job = dataclasses.replace(job, valid=str(valid))
    train = TrainBuckets(job.train[0], job.train_rows, NUM_MOVIES)
    counts = in_train.sum(axis=0)
    save_ease(job, tmp_path / "ease")
    save_item_knn(job, tmp_path / "item_knn")
    items.save_dense(str(tmp_path / "ease"), np.abs(WEIGHTS))
    card = json.loads((tmp_path / "item_knn" / MODEL_CARD).read_text())
    (tmp_path / "item_knn" / MODEL_CARD).write_text(json.dumps({**card, "refit": True}))
    for name in ("popularity", LIST_BLEND):
        (tmp_path / name).mkdir()
        save_movies(str(tmp_path / name), counts[:, None].astype(np.float64))
        members = [{"model": one, "weight": weight} for one, weight in WEIGHED.items()]
        card = {"algorithm": name, "num_users": NUM_USERS, "members": members}
        (tmp_path / name / MODEL_CARD).write_text(json.dumps(card))
    parts = tuple(
        SavedModel(str(tmp_path / one), str(tmp_path / one), NUM_BUCKETS, train, job.valid)
        for one in WEIGHED
    )
    where = str(tmp_path / LIST_BLEND)
    listing = Listing(
        model=SavedModel(where, where, NUM_BUCKETS, train, job.valid, parts),
        count=6,
        candidates=np.flatnonzero(counts).astype(np.int32),
        movie_ids=MOVIE_IDS,
        num_reasons=NUM_MOVIES,
    )
    return ListJob(listing, rated=(job.train[0], job.valid), user_ids=USER_IDS), counts


WEIGHED = {"ease": 1.0, "popularity": 0.5, "item_knn": 2.0}


@pytest.mark.parametrize("block_movies", [32_768, 7])
def test_reasons_of_a_blend_are_those_of_its_members_on_the_scale_of_the_blend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_movies: int
) -> None:
    """Σ weight · contribution / deviation is the score and the part of the means together.

    Popularity is no sum over a history: its z-score is all that the reasons leave of a score.
    """
    monkeypatch.setattr(list_blend, "BLOCK_MOVIES", block_movies)
    job, counts = blend_of(tmp_path)
    x = np.zeros((2, NUM_USERS, NUM_MOVIES))
    for part, path in enumerate(job.rated):
        for user, movie, rating in rows_of(path):
            x[part:, int(user), int(movie)] = SIGNAL.weigh(np.array([rating], np.float32))[0]
    seen = rated(*job.rated)
    of_ease = x[0][:, :, None] * np.abs(WEIGHTS)
    of_knn = x[1][:, :, None] * np.where(WEIGHTS > 0.5, WEIGHTS, 0)
    found, _ = write(job, tmp_path)
    num_whole = 0
    for user, entries in found.items():
        unseen = np.flatnonzero((counts > 0) & ~seen[user])
        scores = {"ease": of_ease[user].sum(axis=0), "item_knn": of_knn[user].sum(axis=0)}
        has_none = scores["item_knn"] == 0
        scores["item_knn"][has_none] = scores["item_knn"][unseen][~has_none[unseen]].min(initial=9)
        scores["popularity"] = counts.astype(float)
        means = {name: one[unseen].mean() for name, one in scores.items()}
        scales = {
            name: WEIGHED[name] / (one[unseen].std() or np.inf) for name, one in scores.items()
        }
        for row in entries:
            movie = int(row[c.MOVIE_ID])
            z = {name: (scores[name][movie] - means[name]) * scales[name] for name in scores}
            assert row[c.SCORE] == pytest.approx(sum(z.values()), abs=1e-4)
            added = of_ease[user, :, movie] * scales["ease"]
            added += of_knn[user, :, movie] * scales["item_knn"]
            stored = {int(one[c.MOVIE_ID]): one[c.CONTRIBUTION] for one in row[c.REASONS]}
            assert stored.keys() == set(np.flatnonzero(added > 0).tolist())
            np.testing.assert_allclose(
                list(stored.values()), added[list(stored)], rtol=1e-4, atol=1e-6
            )
            assert list(stored.values()) == sorted(stored.values(), reverse=True)
            if not has_none[movie]:
                of_means = sum(means[name] * scales[name] for name in ("ease", "item_knn"))
                total = row[c.SCORE] - z["popularity"] + of_means
                assert sum(stored.values()) == pytest.approx(total, abs=1e-4)
                num_whole += 1
    assert num_whole > NUM_USERS


def test_reasons_take_a_model_that_has_them(tmp_path: Path) -> None:
    def save(algorithm: str, *parts: SavedModel) -> SavedModel:
        folder = tmp_path / f"{algorithm} {len(parts)}"
        folder.mkdir()
        (folder / MODEL_CARD).write_text(json.dumps({"algorithm": algorithm}))
        return SavedModel(str(folder), "x", 1, TrainBuckets("", {}, 1), parts=parts)

    als, ease = save("als"), save("ease")
    message = r"recommend\.reasons: found 2, and als, a model .*Ask without reasons"
    with pytest.raises(ConfigError, match=message):
        require_reasons(als, "als", 2)
    require_reasons(save(LIST_BLEND, als, ease), LIST_BLEND, 2)
    with pytest.raises(ConfigError, match=message.replace("als", LIST_BLEND)):
        require_reasons(save(LIST_BLEND, als), LIST_BLEND, 2)
