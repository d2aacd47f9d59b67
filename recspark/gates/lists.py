"""The gate of lists: enough users served, sound lists, little churn, and no fall in quality."""

from __future__ import annotations

import math
from collections.abc import Iterator

from recspark.config import GateConfig
from recspark.gates.judged_lists import JudgedLists, ListCounts, Quality


def find_list_faults(
    found: JudgedLists, accepted: JudgedLists | None, settings: GateConfig
) -> list[str]:
    """Return why lists must not go out, one clause per reason; empty means pass.

    Args:
        found: One model's lists.
        accepted: Those of the same model in the accepted run; None where there are none, and the
            lists are checked against the absolute limits only.
        settings: The limits.
    """
    faults = [
        *_find_unsound(found, settings),
        *_find_churn(found.counts, settings),
        *_find_fall(found, accepted, settings),
    ]
    if settings.worse_than_popularity == "fail":
        faults += _find_below_popularity(found.quality, settings)
    return faults


def find_list_warnings(found: JudgedLists, settings: GateConfig) -> list[str]:
    """Return what should be known of lists that pass, one clause each."""
    warnings: list[str] = []
    if settings.worse_than_popularity == "warn":
        warnings += _find_below_popularity(found.quality, settings)
    if found.unmeasured:
        warnings.append(f"quality is not measured: {found.unmeasured}")
    return warnings


def describe_lists(found: JudgedLists) -> str:
    """Return the figures of lists in one line."""
    counts, quality = found.counts, found.quality
    parts = [
        f"{counts.num_lists:,} of {found.num_asked:,} users served",
        f"{counts.num_rows:,} rows",
        f"{counts.num_vanished:,} without a title",
    ]
    if counts.churn is not None:
        parts.append(f"churn {counts.churn:.1%} over {counts.num_shared:,} users")
    if quality is not None:
        parts.append(f"NDCG@{quality.k} {quality.ndcg:.4f}")
        if quality.over_popularity is not None:
            parts.append(f"{quality.over_popularity[0]:+.4f} over popularity")
    return ", ".join(parts)


def subtract(found: Quality, accepted: Quality) -> tuple[float, float, float]:
    """Return the difference of two NDCG on different test sets, and the ends of its 95 % interval.

    The two are taken as independent, which they are not where nights share most of their ratings:
    the interval is then wider than need be, and the gate refuses less. Source: Zou and Donner 2008
    (limits of a difference from the limits of its terms).
    """
    difference = found.ndcg - accepted.ndcg
    below = math.hypot(found.ndcg - found.low, accepted.high - accepted.ndcg)
    above = math.hypot(found.high - found.ndcg, accepted.ndcg - accepted.low)
    return difference, difference - below, difference + above


def _find_unsound(found: JudgedLists, settings: GateConfig) -> Iterator[str]:
    counts = found.counts
    served = counts.num_lists / max(found.num_asked, 1)
    if served < settings.min_served:
        yield (
            f"{counts.num_lists:,} of {found.num_asked:,} users served ({served:.1%}; "
            f"gate.min_served {settings.min_served:.1%})"
        )
    if counts.num_repeats:
        yield (
            f"repeats of a movie or a rank within a list: {counts.num_repeats:,}, expected 0 "
            "(jobs/recommend.py with --force makes the lists anew)"
        )
    if counts.num_unknown:
        yield (
            f"rows with ids that the run does not have: {counts.num_unknown:,}, expected 0 "
            "(jobs/recommend.py with --force makes the lists anew)"
        )
    vanished = counts.num_vanished / max(counts.num_rows, 1)
    if vanished > settings.max_vanished:
        yield (
            f"{counts.num_vanished:,} of {counts.num_rows:,} rows list movies that the titles file "
            f"does not have, such as {', '.join(counts.vanished)} ({vanished:.2%}; "
            f"gate.max_vanished {settings.max_vanished:.2%})"
        )


def _find_churn(counts: ListCounts, settings: GateConfig) -> Iterator[str]:
    if counts.num_shared == 0:
        yield "no user with a list in the accepted run has one"
    if counts.churn is not None and counts.churn > settings.max_churn:
        yield (
            f"{counts.churn:.1%} of a list changed since the accepted run, on average over "
            f"{counts.num_shared:,} users (gate.max_churn {settings.max_churn:.1%})"
        )


def _find_below_popularity(quality: Quality | None, settings: GateConfig) -> Iterator[str]:
    if quality is None or quality.over_popularity is None:
        return
    difference, low, high = quality.over_popularity
    if high < 0:
        yield (
            f"NDCG@{quality.k} {quality.ndcg:.4f} is worse than popularity's by {-difference:.4f} "
            f"({-high:.4f} to {-low:.4f}; gate.worse_than_popularity "
            f"{settings.worse_than_popularity})"
        )


def _find_fall(
    found: JudgedLists, accepted: JudgedLists | None, settings: GateConfig
) -> Iterator[str]:
    if accepted is None or accepted.quality is None:
        return
    now, before = found.quality, accepted.quality
    if now is None:
        yield (
            f"quality is not measured ({found.unmeasured}), where the accepted run had NDCG@"
            f"{before.k} {before.ndcg:.4f}"
        )
        return
    if now.protocol != before.protocol:
        yield (
            f"NDCG under “{now.protocol}”, which is not comparable with the accepted run's under "
            f"“{before.protocol}”"
        )
        return
    difference, low, high = subtract(now, before)
    if not high >= -settings.max_ndcg_fall:  # an NDCG that is NaN does not pass
        yield (
            f"NDCG@{now.k} {now.ndcg:.4f} where the accepted run had {before.ndcg:.4f}, worse by "
            f"{-difference:.4f} ({-high:.4f} to {-low:.4f}; gate.max_ndcg_fall "
            f"{settings.max_ndcg_fall:g})"
        )
