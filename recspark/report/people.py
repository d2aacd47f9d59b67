"""The chapters that show titles: recommendations for users, similar movies, and the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recspark.config.recommend import RESTRICTIONS
from recspark.page.tables import number, percent, whole
from recspark.report.chapter import Card, Chapter, Cloud, Item
from recspark.report.co_rated import NUM_KNOWN, NUM_NEIGHBORS, Neighbors
from recspark.report.embedding import Embedding, find_neighbors, project
from recspark.report.examples import Example, Listed
from recspark.report.movies import Movies

_NO_EMBEDDING = (
    "No model of this run has embeddings of movies. Fit one with the same --config: "
    "jobs/train.py --models biased_mf, or jobs/baseline.py --models als."
)


def make_examples(
    model: str | None, examples: list[Example], settings: Mapping[str, Any] | None = None
) -> Chapter:
    """Return the chapter of real users.

    Args:
        model: The model that made the lists, or None if the run has no lists.
        examples: The users, busiest first.
        settings: What the lists were made with, as in `RecommendConfig`.
    """
    title, settings = "What people would get", settings or {}
    min_ratings, caution = settings.get("min_ratings", 1), settings.get("caution", 0)
    if model is None:
        missing = (
            "This run has no top-N lists of a current model. With the same --config, run "
            "jobs/recommend.py --recommend.models MODEL, or set recommend.models in the config and "
            "run the pipeline."
        )
        return Chapter("people", title, missing=missing)
    if not examples:
        missing = (
            f"The lists of {model} are empty. A user without a rating in train has no list, nor "
            "has one who rated every movie that may be listed. The log of jobs/recommend.py counts "
            "both."
        )
        return Chapter("people", title, missing=missing)
    rare = (
        "movies with fewer ratings in train are in no list"
        if min_ratings > 1
        else "movies that hardly anyone rated can be in a list"
    )
    hits = sum(entry.given is not None for one in examples for entry in one.listed)
    users = "user" if len(examples) == 1 else "users"
    text = (
        f"{len(examples)} {users}, one from each tenth of the users by activity, drawn with the "
        "run's seed. Each card shows the movies that the user rated highest (newest first among "
        f"equals) and the top of the user's list by {model}. Lists "
        f"{'may have' if settings.get('include_seen') else 'leave out'} movies that the user "
        "rated in train or valid. A rating of a listed movie in test is shown beside it "
        f"({hits} here). recommend.min_ratings is {whole(min_ratings)}: {rare}."
    )
    limits = [f"recommend.{name}" for name in RESTRICTIONS if settings.get(name)]
    if limits:
        text += f" Lists are restricted by {', '.join(limits)}."
    if settings.get("reasons"):
        text += (
            " Below a listed movie are those of the user's history that add most to its score, "
            "each with what it adds."
        )
    if any(one.popular for one in examples):
        text += " Below is what popularity would list, with how many users liked it."
    if caution:
        text += f" Scores are predictions less {caution:g} × their standard deviation."
    return Chapter("people", title, text, cards=[_card(one) for one in examples])


def _card(one: Example) -> Card:
    liked = [Item(title, f"{number(rating, 'g')} ★") for title, rating in one.liked]
    lists = [("Rated highest", liked), ("Recommended", _items(one.listed, ".1f"))]
    if one.popular:
        heading = "Most popular of what the user has not rated"
        lists.append((heading, _items(one.popular, ",.0f")))
    return Card(
        title=f"User {one.user_id}",
        text=f"{whole(one.num_ratings)} ratings in train and valid",
        lists=lists,
    )


def _items(listed: list[Listed], form: str) -> list[Item]:
    return [
        Item(
            entry.title,
            number(entry.score, form),
            "" if entry.given is None else f"gave {number(entry.given, 'g')}",
            _because(entry),
        )
        for entry in listed
    ]


def _because(entry: Listed) -> str:
    reasons = [f"{title} {number(added, '+.2f')}" for title, added in entry.reasons]
    return f"because of {'; '.join(reasons)}" if reasons else ""


def make_neighbors(
    embedding: Embedding | None,
    movies: Movies | None,
    min_ratings: int,
    co_rated: Neighbors | None = None,
) -> Chapter:
    """Return the chapter of the movies that are most similar to the most rated ones."""
    title = "Similar movies"
    missing = "" if co_rated else _why_no_embedding(embedding, min_ratings)
    if missing or movies is None:
        return Chapter("neighbors", title, missing=missing or _NO_EMBEDDING)
    sources = []
    if co_rated is not None:
        sources.append((f"By who rated both, in {co_rated.model}", co_rated.found, ".3f"))
    if embedding is not None and not _why_no_embedding(embedding, min_ratings):
        nearest = dict(find_neighbors(embedding, NUM_KNOWN, NUM_NEIGHBORS))
        sources.append((f"By embeddings, in {embedding.model}", nearest, ".2f"))
    known = list(dict.fromkeys(movie for _, found, _ in sources for movie in found))[:NUM_KNOWN]
    cards = [
        Card(
            title=movies.labels[movie],
            text=f"{whole(movies.num_ratings[movie])} ratings",
            lists=[
                (
                    heading,
                    [Item(movies.labels[one], number(value, form)) for one, value in entries],
                )
                for heading, found, form in sources
                if (entries := found.get(movie))
            ],
        )
        for movie in known
    ]
    text = f"The {len(cards)} most rated movies, each with the {NUM_NEIGHBORS} most similar ones. "
    if co_rated is not None:
        text += (
            "By who rated both: the movies to whose score a rating of the movie adds most in "
            f"{co_rated.model}, counted as if they were rated as often as the movie. "
        )
    if len(sources) > (co_rated is not None):
        text += (
            "By embeddings: those that are closest by cosine (1: the same direction). Users who "
            "rate one of them differently from most users tend to do the same with the others. "
        )
    text += f"Only movies with {min_ratings} ratings or more are compared (report.min_ratings)."
    return Chapter("neighbors", title, text, cards=cards)


def make_map(embedding: Embedding | None, movies: Movies | None, min_ratings: int) -> Chapter:
    """Return the chapter with the flat map of the embeddings."""
    title = "A map of the movies"
    missing = _why_no_embedding(embedding, min_ratings)
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
        f"{whole(len(embedding.rows))} movies by the first two principal components of their "
        f"embeddings in {embedding.model}. The components explain {percent(shares[0])} and "
        f"{percent(shares[-1])} of the variance, so movies that are close on the map need not be "
        "similar. Larger dots have more ratings. Point at a dot or tap it to see its title."
    )
    return Chapter("map", title, text, cloud=cloud)


def _why_no_embedding(embedding: Embedding | None, min_ratings: int) -> str:
    if embedding is None:
        return _NO_EMBEDDING
    if len(embedding.rows) < 2:
        return (
            f"Fewer than two movies have {min_ratings} ratings or more. Lower report.min_ratings "
            "in the config."
        )
    return ""
