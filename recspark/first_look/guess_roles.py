"""Which columns of a file hold users, movies, ratings and times: by their names, else values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.errors import DataError
from recspark.tables.guess_times import find_doubt, guess_time_format
from recspark.tables.header_names import suggest_columns
from recspark.tables.look import Look
from recspark.tables.rating_scales import as_strings, is_number_type
from recspark.tables.raw_ids import NO_ID
from recspark.tables.time_formats import is_date_type

BY_NAME = "by its name"

_ROLES = ("user", "movie", "rating", "time")
_NUMBER = r"^[+-]?(?:[0-9]+[.,]?[0-9]*|\.[0-9]+)$"
_FRACTION = r"^[+-]?[0-9]*[.,]0*[1-9][0-9]*$"
_FINE_FRACTION = r"[.,][0-9]{4,}$"
_MAX_RATING = 1000
_MAX_STARS = 10
_MAX_DISTINCT = 201  # 0, 0.05, …, 10
_MATRIX_COLUMNS = 20


def suggest_roles(look: Look) -> dict[str, tuple[str, str]]:
    """Return the column of each role, and why; by the names of columns, else by their values."""
    roles: dict[str, tuple[str, str]] = {}
    if look.has_names:
        roles = {role: (name, BY_NAME) for role, name in suggest_columns(look.names).items()}
    for role, name in suggest_columns(list(look.source.partitions)).items():
        roles.setdefault(role, (name, BY_NAME))
    is_known = "user" in roles and "movie" in roles
    if is_known and "time" in roles:
        return roles
    taken = {name for name, _ in roles.values()}
    free = [name for name in look.names if name not in taken and name.strip()]
    values = {name: look.values(name) for name in free}
    if "time" not in roles:
        times = [name for name in free if _is_time(values[name])]
        if len(times) == 1 or (times and not is_known):
            roles["time"] = (times[0], "its values are times")
            free.remove(times[0])
    if not is_known:
        for role in ("user", "movie"):
            ids = [name for name in free if not _has_fractions(values[name])]
            if role not in roles and ids:
                roles[role] = (ids[0], "the first column left")
                free.remove(ids[0])
        if "rating" not in roles:
            roles |= _find_rating(free, values, has_time="time" in roles)
    return {role: roles[role] for role in _ROLES if role in roles}


def is_matrix(look: Look, roles: Mapping[str, tuple[str, str]]) -> bool:
    """Return whether a file seems to have a row for each user and a column for each movie."""
    named = {role for role, (_, why) in roles.items() if why == BY_NAME}
    if len(look.names) <= _MATRIX_COLUMNS or named & {"movie", "rating"}:
        return False
    cells = [look.values(name) for name in look.names[1:]]
    filled = [one for one in cells if not _is_empty(one)]
    return len(filled) >= _MATRIX_COLUMNS and all(_numbers_of(one) is not None for one in filled)


def _find_rating(
    free: Sequence[str], values: Mapping[str, pa.Array], *, has_time: bool
) -> dict[str, tuple[str, str]]:
    """Return the likeliest column of ratings or, without a time, of counts."""
    varying = [name for name in free if not _is_constant(values[name])]
    ranks = {name: _rank_as_rating(values[name]) for name in varying}
    likely = [name for name in varying if ranks[name] is not None]
    if likely:
        best = min(reversed(likely), key=lambda name: ranks[name] or 0)
        return {"rating": (best, "its numbers are small or few")}
    if varying and not has_time:  # a count stands last
        numbers = _numbers_of(values[varying[-1]])
        if numbers is not None and numbers.min() >= 0 and not _is_fine(values[varying[-1]]):
            return {"rating": (varying[-1], "its numbers may be counts")}
    return {}


def _is_constant(values: pa.Array) -> bool:
    """Return whether a column of several values tells nothing."""
    texts = _as_texts(values)
    return texts is not None and len(texts.unique()) < 2 <= len(texts)


def _is_empty(values: pa.Array) -> bool:
    texts = _as_texts(values)
    return texts is not None and bool(pc.all(pc.is_in(texts, pa.array(NO_ID))).as_py())


def _is_fine(values: pa.Array) -> bool:
    """Return whether numbers have as many decimals as coordinates."""
    texts = _as_texts(values)
    return texts is not None and bool(
        pc.any(pc.match_substring_regex(texts, _FINE_FRACTION)).as_py()
    )


def _is_time(values: pa.Array) -> bool:
    if is_date_type(values.type):
        return True
    if is_number_type(values.type) or pa.types.is_dictionary(values.type):
        values = _as_texts(values)
    if not pa.types.is_string(values.type) or values.null_count == len(values):
        return False
    try:
        form, _ = guess_time_format(values, "")
    except DataError as error:
        return "day and month" in str(error)
    if form == "%Y-%m-%d" and not pc.any(pc.match_substring_regex(values, r"\d-\d")).as_py():
        return False
    return find_doubt(values, form, 4e9)[0] is None


def _has_fractions(values: pa.Array) -> bool:
    """Return whether most values are numbers such as 41.97, as coordinates are and ids are not."""
    texts = _as_texts(values)
    if texts is None or not len(texts):
        return False
    share = pc.mean(pc.match_substring_regex(texts, _FRACTION).cast(pa.int8())).as_py()
    return float(share) > 0.5


def _rank_as_rating(values: pa.Array) -> int | None:
    """Return a rank among columns of ratings, best first; None if the values are no ratings.

    Columns of small numbers come first; then those with the fewest different numbers.
    """
    numbers = _numbers_of(values)
    if numbers is None or len(numbers) > _MAX_DISTINCT or _is_fine(values):
        return None
    largest = float(np.abs(numbers).max())
    if largest <= _MAX_STARS:
        return 0
    return len(numbers) if largest <= _MAX_RATING and numbers.min() >= 0 else None


def _numbers_of(values: pa.Array) -> npt.NDArray[np.float64] | None:
    """Return the different numbers in a column; None if it holds other values, or none."""
    texts = _as_texts(values)
    if texts is None:
        return None
    texts = texts.filter(pc.invert(pc.is_in(texts, pa.array(NO_ID)))).unique()
    if not len(texts) or not pc.all(pc.match_substring_regex(texts, _NUMBER)).as_py():
        return None
    return np.array([float(text.replace(",", ".")) for text in texts.to_pylist()])


def _as_texts(values: pa.Array) -> pa.StringArray | None:
    """Return numbers and text as text without spaces around it; None for other types."""
    if is_number_type(values.type) or pa.types.is_dictionary(values.type):
        values = pa.array([None if one is None else str(one) for one in values.to_pylist()])
    if not pa.types.is_string(values.type):
        return None
    return pc.utf8_trim_whitespace(as_strings(values))
