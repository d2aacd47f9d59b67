"""What the manifests of the splits record, and the checks of it."""

from __future__ import annotations

import logging
from typing import Any

from recspark.arrays.ids import to_list
from recspark.config import PrepareConfig
from recspark.datasets.prepared import PreparedFacts
from recspark.errors import DataError, describe
from recspark.prepare.held_out import HeldOutPairs
from recspark.prepare.make_splits import Made
from recspark.prepare.split import PARTS, SPLITS, HeldOutUsersSplit, LastSplit

logger = logging.getLogger(__name__)


def count_splits(
    made: Made, settings: PrepareConfig, num_repeats: int, pairs: HeldOutPairs | None
) -> dict[str, Any]:
    """Return what the manifests of the splits record besides their rows."""
    written = made.written
    is_folded_in = isinstance(made.layout.split, HeldOutUsersSplit)
    rows = {name: made.num_rows(name) for name in (PARTS if is_folded_in else SPLITS)}
    mean = sum(one.rating_sum for one in written) / max(rows["train"], 1)
    squares = sum(one.rating_squares for one in written) / max(rows["train"], 1)
    facts = PreparedFacts(
        num_users=len(made.layout.users),
        num_movies=len(made.layout.movies),
        num_buckets=made.num_buckets,
        rating_min=min(one.rating_min for one in written),
        rating_max=max(one.rating_max for one in written),
        rating_mean=mean,
        rating_std=max(squares - mean * mean, 0.0) ** 0.5,
        rating_values=tuple(sorted({value for one in written for value in one.rating_values})),
    )
    counts = {
        "ratings": made.num_read + num_repeats,
        **rows,
        "filtered": made.num_read - made.num_kept,
        "repeats": num_repeats,
        **facts.to_counts(),
    }
    if isinstance(made.layout.split, LastSplit):
        counts["ties"] = sum(one.num_ties for one in written)
        if counts["ties"]:
            logger.info(
                "prepare: %s users rated several movies in the second of the cut: a hash chose "
                "among these",
                f"{counts['ties']:,}",
            )
    if pairs is not None:
        counts["pairs_unmatched"] = pairs.check(counts["test"], settings)
    return counts


def check_counts(counts: dict[str, Any], settings: PrepareConfig, *, num_ratings: int) -> None:
    """Log the balance; refuse a run that lost rows or left train or test empty."""
    names = [name for name in (*PARTS, "filtered", "repeats") if name in counts]
    logger.info(
        "prepare: %s ratings = %s",
        *(f"{counts['ratings']:,}", " + ".join(f"{counts[name]:,} {name}" for name in names)),
    )
    if counts["ratings"] != num_ratings:
        raise DataError(lost("ratings", counts["ratings"], num_ratings))
    accounted = sum(counts[name] for name in names)
    if accounted != num_ratings:
        raise DataError(lost("splits", accounted, num_ratings))
    is_test_wanted = settings.test_fraction > 0 or settings.split in ("pairs", "probe", "last")
    for name in ("train", *(["test"] if is_test_wanted else [])):
        if counts[name] == 0:
            raise DataError(
                describe(
                    f"prepare ({name})",
                    found=f"no ratings ({counts['filtered']:,} of {counts['ratings']:,} filtered)",
                    expected="at least one",
                    remedy="Change prepare.split and its settings, or lower the minimums.",
                )
            )
    if settings.split == "time" and not settings.cut_date:
        _warn_of_large_parts(counts, settings)


def _warn_of_large_parts(counts: dict[str, Any], settings: PrepareConfig) -> None:
    """Log where many ratings of one second made a part more than half as large again as asked."""
    total = sum(counts[name] for name in SPLITS)
    asked = {"test": settings.test_fraction * total}
    asked["valid"] = settings.valid_fraction * (total - asked["test"])
    for name, wanted in asked.items():
        if counts[name] > 1.5 * wanted + 1:
            logger.warning(
                "prepare: %s has %s ratings where %s were asked for: too many are of one second",
                *(name, f"{counts[name]:,}", f"{wanted:,.0f}"),
            )


def refuse_repeats(made: Made) -> str:
    """Return the message about repeats with three samples by raw id."""
    users, movies = made.layout.users.ordered(), made.layout.movies.ordered()
    samples = [repeat for one in made.written for repeat in one.repeats][:3]
    shown = "; ".join(
        f"user {to_list(users[[one.user_index]])[0]!r}, movie "
        f"{to_list(movies[[one.movie_index]])[0]!r}: {', '.join(f'{x:g}' for x in one.ratings)}"
        for one in samples
    )
    return describe(
        "prepare",
        found=f"{made.num_repeats:,} ratings that repeat one of the same user and movie ({shown})",
        expected="one rating of each pair, as prepare.duplicates is refuse",
        remedy="Set prepare.duplicates to last, first, mean, sum or max, or correct the data.",
    )


def lost(name: str, found: int, expected: int) -> str:
    """Return the message about rows that are missing or too many."""
    return describe(
        f"prepare ({name})",
        found=f"{found:,} rows",
        expected=f"{expected:,}",
        remedy="Run with --force. If that fails, report it: recspark must not lose rows.",
    )
