"""A slow, plain reader of the generated files, independent of the code that made them."""

from __future__ import annotations

import re
from pathlib import Path


def read_blocks(path: Path) -> list[tuple[int, list[str]]]:
    """Return (movie, its lines) in file order."""
    blocks: list[tuple[int, list[str]]] = []
    for line in path.read_text(encoding="ascii").splitlines():
        if re.fullmatch(r"\d+:", line):
            blocks.append((int(line[:-1]), []))
        else:
            blocks[-1][1].append(line)
    return blocks


def read_ratings(folder: Path) -> dict[tuple[int, int], tuple[int, str]]:
    """Return (user, movie) → (rating, date); a pair found twice is an assertion error."""
    ratings: dict[tuple[int, int], tuple[int, str]] = {}
    for path in sorted(folder.glob("combined_data_*.txt")):
        for movie, lines in read_blocks(path):
            for line in lines:
                match = re.fullmatch(r"([1-9]\d*),([1-5]),(\d{4}-\d{2}-\d{2})", line)
                assert match, (path.name, line)
                pair = (int(match[1]), movie)
                assert pair not in ratings
                ratings[pair] = (int(match[2]), match[3])
    return ratings
