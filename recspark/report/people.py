"""The chapters with titles: what users would get, which movies are alike, the map of all."""

from __future__ import annotations

from recspark.page.tables import number, percent, whole
from recspark.report.chapter import Card, Chapter, Cloud, Item
from recspark.report.embedding import Embedding, find_neighbors, project
from recspark.report.examples import Example
from recspark.report.movies import Movies

_NO_EMBEDDING = (
    "No model of this run has embeddings of movies. Fit one with the same --config: "
    "jobs/train.py --models biased_mf, or jobs/baseline.py --models als."
)
NUM_NEIGHBORS = 5
NUM_KNOWN = 10


def make_examples(model: str | None, examples: list[Example], least: int = 1) -> Chapter:
    """Return the chapter of real users.

    Args:
        model: Whose lists they are; None where the run has no lists.
        examples: The users, busiest first.
        least: Ratings in train that a movie needs to be in a list, recommend.min_ratings.
    """
    title = "What people would get"
    if model is None:
        missing = (
            "This run has no top-N lists of a present model. Make them with the same --config: "
            "jobs/recommend.py --recommend.models MODEL, or name recommend.models in the config, "
            "for the pipeline."
        )
        return Chapter("people", title, missing=missing)
    rare = (
        "movies with fewer ratings in train are in no list"
        if least > 1
        else "movies that hardly anyone rated can be in a list"
    )
    hits = sum(entry.given is not None for one in examples for entry in one.listed)
    users = "user" if len(examples) == 1 else "users"
    text = (
        f"{len(examples)} {users}, one from each tenth of them by activity, drawn by the run's "
        "seed: the movies that they rated highest (the newest of equal ones), and the top of their "
        f"list by {model}, which holds nothing that they rated in train or valid. What they gave a "
        f"listed movie in test stands beside it ({hits} such here). recommend.min_ratings is "
        f"{whole(least)}: {rare}."
    )
    return Chapter("people", title, text, cards=[_card(one) for one in examples])


def _card(one: Example) -> Card:
    listed = [
        Item(
            entry.title,
            number(entry.score, ".1f"),
            "" if entry.given is None else f"gave {number(entry.given, 'g')}",
        )
        for entry in one.listed
    ]
    liked = [Item(title, f"{number(rating, 'g')} ★") for title, rating in one.liked]
    return Card(
        title=f"User {one.user_id}",
        text=f"{whole(one.num_ratings)} ratings known",
        lists=[("Rated highest", liked), ("Would get", listed)],
    )


def make_neighbors(embedding: Embedding | None, movies: Movies | None, fewest: int) -> Chapter:
    """Return the chapter of the movies that are most like the most rated ones."""
    title = "Movies that are alike"
    missing = _why_no_embedding(embedding, fewest)
    if missing or embedding is None or movies is None:
        return Chapter("neighbors", title, missing=missing or _NO_EMBEDDING)
    cards = [
        Card(
            title=movies.labels[movie],
            text=f"{whole(movies.num_ratings[movie])} ratings",
            lists=[
                ("", [Item(movies.labels[one], number(cosine, ".2f")) for one, cosine in found])
            ],
        )
        for movie, found in find_neighbors(embedding, NUM_KNOWN, NUM_NEIGHBORS)
    ]
    text = (
        f"The {len(cards)} most rated movies, and the {NUM_NEIGHBORS} whose embeddings in "
        f"{embedding.model} point most nearly the same way, with the cosine (1: the same way). "
        "Whoever rates one of them unlike the crowd tends to rate the others so too. Only movies "
        f"with {fewest} ratings or more (report.min_ratings)."
    )
    return Chapter("neighbors", title, text, cards=cards)


def make_map(embedding: Embedding | None, movies: Movies | None, fewest: int) -> Chapter:
    """Return the chapter with the flat map of the embeddings."""
    title = "A map of the movies"
    missing = _why_no_embedding(embedding, fewest)
    if missing or embedding is None or movies is None:
        return Chapter("map", title, missing=missing or _NO_EMBEDDING)
    points, shares = project(embedding.vectors)
    cloud = Cloud(
        x=points[:, 0].tolist(),
        y=points[:, 1].tolist(),
        labels=[movies.labels[row] for row in embedding.rows],
        ratings=movies.num_ratings[embedding.rows].tolist(),
        num_named=NUM_KNOWN,
    )
    text = (
        f"{whole(len(embedding.rows))} movies by their embedding in {embedding.model}, on its two "
        f"main directions (PCA; they hold {percent(shares[0])} and {percent(shares[-1])} of the "
        "variance, so near on the map is not always near). Larger dots have more ratings. Point "
        "at a dot, or tap it, for its title."
    )
    return Chapter("map", title, text, cloud=cloud)


def _why_no_embedding(embedding: Embedding | None, fewest: int) -> str:
    if embedding is None:
        return _NO_EMBEDDING
    if len(embedding.rows) < 2:
        return (
            f"Fewer than two movies have {fewest} ratings or more. Lower report.min_ratings in the "
            "config."
        )
    return ""
