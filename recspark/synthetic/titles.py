"""movie_titles.csv with every quirk of the real file; all titles are invented.

The format is `id,year,title` in Latin-1 without quoting, so commas and double quotes in titles are
not escaped. The quirks have their shares in the real file: of 17,770 titles, 336 contain commas, 7
contain a double quote, 7 have the year NULL, and 365 repeat another movie's title. There is one
0xE9 byte. A small file has at least one of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recspark.synthetic.streams import Purpose, stream

ENCODING = "latin-1"

_FIRST_WORDS = (
    "Amber Brass Copper Crimson Distant Emerald Endless Faded Feral Frozen Gentle Gilded Golden "
    "Hidden Hollow Humble Iron Ivory Last Lonely Lost Lucky Marble Midnight Misty Paper Patient "
    "Quiet Restless Rusty Scarlet Second Secret Seventh Silent Silver Stolen Stray Velvet Winter"
)
_SECOND_WORDS = (
    "Acrobat Anchor Apple Atlas Avenue Baker Bell Bridge Canal Captain Carousel Chapel Clock "
    "Comet Compass Cousin Dancer Desert Detective Donkey Engine Falcon Ferry Fiddle Garden Ghost "
    "Harbor Hotel Island Journey Kettle Ladder Lantern Letter Lighthouse Meadow Mirror Mountain "
    "Neighbor Orchard Painter Parade Piano Pilot Planet Queen Railway River Saddle Sailor Season "
    "Shadow Station Summer Teacher Tiger Umbrella Valley Violin Window"
)
_FIRST, _SECOND = _FIRST_WORDS.split(), _SECOND_WORDS.split()
_FORMS = (
    "{} {}",
    "The {} {}",
    "{} {} II",
    "{} {}: Season 1",
    "{} {}: The Return",
    "My {} {}",
    "Beyond the {} {}",
    "{} {}: Live",
)
_REPEATS, _COMMAS, _QUOTES, _NULLS = 365 / 17_770, 336 / 17_770, 7 / 17_770, 7 / 17_770


def build_titles(seed: int, years: NDArray[np.int32]) -> bytes:
    """Return the bytes of movie_titles.csv for movies 1 … len(years).

    Fewer than eight movies cannot have every quirk; as many as fit are included.
    """
    draw = stream(seed, Purpose.TITLES)
    num = len(years)
    titles = [_title(int(number)) for number in draw.permutation(num)]
    shown = [str(year) for year in years]
    quirky = iter(draw.permutation(num).tolist())

    def take(share: float) -> list[int]:
        wanted = max(1, round(share * num))
        return [movie for _, movie in zip(range(wanted), quirky, strict=False)]

    for movie in take(0):
        titles[movie] = f"Café {titles[movie]}"
    for movie in take(_NULLS):
        shown[movie] = "NULL"
    for movie in take(_QUOTES):
        titles[movie] = f'"{titles[movie]}"'
    for movie in take(_COMMAS):
        titles[movie] = f"{titles[movie]}, Wide, and Far"
    plain = next(quirky, 0)
    for movie in take(_REPEATS):
        titles[movie] = titles[plain]
        plain = next(quirky, plain)
    lines = [f"{at + 1},{shown[at]},{titles[at]}\n" for at in range(num)]
    return "".join(lines).encode(ENCODING)


def _title(number: int) -> str:
    """Return the title for a number; different numbers give different titles."""
    number, first = divmod(number, len(_FIRST))
    number, second = divmod(number, len(_SECOND))
    number, form = divmod(number, len(_FORMS))
    title = _FORMS[form].format(_FIRST[first], _SECOND[second])
    return f"{title} {number + 1}" if number else title
