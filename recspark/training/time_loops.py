"""Compiled loops of a process over time for each user: ratings given together move together.

x(t) is an Ornstein-Uhlenbeck process: normal with mean 0 and Cov(x(s), x(t)) = variance ·
exp(-|s - t| / scale). A user's rating at time t shows y = x(t) + e, with e ~ N(0, 1 / weight). The
process is Markov, so a Kalman filter and backward sampling take time linear in the ratings (Särkkä
2013, "Bayesian Filtering and Smoothing", chapter 4; Frühwirth-Schnatter 1994).

Shape legend: R users, N their ratings. A user's ratings are in ascending order
of time.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled, inlined

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_FAR = 40.0  # gaps in scales after which nothing is left: exp(-40) = 4e-18
_LARGE = 1e200


@inlined
def _decay(seconds: float, scale: float) -> float:
    """Return the correlation over a gap."""
    if seconds == 0:
        return 1.0
    return math.exp(-seconds / scale) if seconds < _FAR * scale else 0.0


@inlined
def _take_in(
    gap: float,
    value: float,
    weight: float,
    mean: float,
    spread: float,
    variance: float,
    scale: float,
) -> tuple[float, float, float, float, float]:
    """Take the filter from one rating of a user to the next one.

    Args:
        gap: Seconds between them; any number for the first one.
        value: The next one's y.
        weight: Its weight.
        mean: Of x at the last rating given the values up to it; 0 before the first.
        spread: Its variance; `variance` before the first.
        variance: Of x.
        scale: Seconds (> 0).

    Returns:
        Mean and variance of x at the next rating given the values up to it, the correlation over
        the gap, by how much the value missed the expected one, and 1 + weight · variance of x
        before it.
    """
    decay = _decay(gap, scale)
    before = mean * decay
    spread_before = variance + decay * decay * (spread - variance)
    error = value - before
    growth = 1 + weight * spread_before
    share = 1 / growth
    after = before + weight * spread_before * share * error
    return after, spread_before * share, decay, error, growth


@compiled
def log_likelihood(
    starts: Longs, times: Ints, values: Floats, weights: Floats, variance: float, scale: float
) -> float:
    """Return the log-density of the values with the processes integrated out.

    A constant is left out that depends on the weights alone.

    Args:
        starts: [R + 1], where each user's ratings begin.
        times: [N], seconds.
        values: y [N].
        weights: [N], 0 or more.
        variance: Of x.
        scale: Seconds (> 0).
    """
    total, product = 0.0, 1.0
    for user in range(len(starts) - 1):
        mean, spread = 0.0, variance
        for place in range(starts[user], starts[user + 1]):
            gap = float(times[place]) - float(times[max(place - 1, starts[user])])
            weight = float(weights[place])
            mean, spread, _, error, growth = _take_in(
                gap, float(values[place]), weight, mean, spread, variance, scale
            )
            total += weight * error * error / growth
            product *= growth
            if product > _LARGE:  # a logarithm takes longer than the rest
                total += math.log(product)
                product = 1.0
    return -0.5 * (total + math.log(product))


@compiled
def draw_paths(
    starts: Longs,
    times: Ints,
    values: Floats,
    weights: Floats,
    noise: Floats,
    variance: float,
    scale: float,
    paths: Floats,
) -> None:
    """Set paths [N] to x at each rating's time, drawn given the values.

    Args:
        starts: [R + 1], as the next three in `log_likelihood`.
        times: [N].
        values: [N].
        weights: [N].
        noise: [N], standard normal; zeros do not give the mean, as each draw uses the next.
        variance: Of x.
        scale: Seconds (> 0).
        paths: [N], overwritten.
    """
    longest = 0
    for user in range(len(starts) - 1):
        longest = max(longest, starts[user + 1] - starts[user])
    means, spreads, decays = np.empty(longest), np.empty(longest), np.empty(longest)
    for user in range(len(starts) - 1):
        first, count = starts[user], starts[user + 1] - starts[user]
        mean, spread = 0.0, variance
        for k in range(count):
            place = first + k
            gap = float(times[place]) - float(times[max(place - 1, first)])
            value, weight = float(values[place]), float(weights[place])
            mean, spread, decays[k], _, _ = _take_in(
                gap, value, weight, mean, spread, variance, scale
            )
            means[k], spreads[k] = mean, spread
        after = 0.0
        for k in range(count - 1, -1, -1):
            mean, spread = means[k], spreads[k]
            if k + 1 < count:
                decay = decays[k + 1]
                ahead = variance + decay * decay * (spread - variance)
                gain = decay * spread / ahead
                mean += gain * (after - decay * mean)
                spread *= 1 - decay * gain
            after = mean + math.sqrt(max(spread, 0.0)) * noise[first + k]
            paths[first + k] = after


@compiled
def smooth_paths(
    starts: Longs,
    times: Ints,
    values: Floats,
    weights: Floats,
    variance: float,
    scale: float,
    means: Floats,
    variances: Floats,
) -> None:
    """Fill mean and variance of x at each rating given all values of its user, [N] each.

    The smoother of Rauch, Tung and Striebel (1965). Arguments as for `log_likelihood`.
    """
    for user in range(len(starts) - 1):
        mean, spread = 0.0, variance
        for place in range(starts[user], starts[user + 1]):
            gap = float(times[place]) - float(times[max(place - 1, starts[user])])
            value, weight = float(values[place]), float(weights[place])
            mean, spread, _, _, _ = _take_in(gap, value, weight, mean, spread, variance, scale)
            means[place], variances[place] = mean, spread
        for place in range(starts[user + 1] - 2, starts[user] - 1, -1):
            decay = _decay(float(times[place + 1]) - float(times[place]), scale)
            ahead = variance + decay * decay * (variances[place] - variance)
            gain = decay * variances[place] / ahead if ahead > 0 else 0.0
            means[place] += gain * (means[place + 1] - decay * means[place])
            variances[place] += gain * gain * (variances[place + 1] - ahead)


@compiled
def sort_by_time(
    starts: Longs, first: int, last: int, others: Ints, ratings: Floats, times: Ints
) -> None:
    """Order the ratings of users from `first` to `last` by time; equal times keep their order.

    Args:
        starts: [R + 1].
        first: A user.
        last: A user.
        others: [N], reordered in place, as the next two.
        ratings: [N].
        times: [N].
    """
    for user in range(first, last):
        span = slice(starts[user], starts[user + 1])
        order = np.argsort(times[span], kind="mergesort")
        others[span] = others[span][order]
        ratings[span] = ratings[span][order]
        times[span] = times[span][order]
