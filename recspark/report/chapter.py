"""The building blocks of the report, in addition to the panels that every page uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from recspark.page.panel import Panel


@dataclass(frozen=True)
class Item:
    """An entry of a list on a card: a text, a figure, and an optional remark."""

    text: str
    figure: str
    mark: str = ""
    detail: str = ""
    """A line below the text."""


@dataclass(frozen=True)
class Link:
    """A link to another page of the run."""

    text: str
    target: str
    """Address relative to this page's folder."""


@dataclass(frozen=True)
class Card:
    """A user or a movie with its lists, each (heading, entries)."""

    title: str
    text: str
    lists: list[tuple[str, list[Item]]]


@dataclass(frozen=True)
class Cloud:
    """Points of the map. All lists have the same length, with the most rated movie first.

    Attributes:
        x: Left to right.
        y: Bottom to top, in the same unit.
        labels: Titles.
        ratings: Numbers of ratings.
        num_named: How many of the first points always show their title.
    """

    x: list[float]
    y: list[float]
    labels: list[str]
    ratings: list[int]
    num_named: int


@dataclass(frozen=True)
class Chapter:
    """One part of the report, in the order in which it is shown."""

    name: str
    """Unique on the page; the id of the chapter."""
    title: str
    """Its heading. The navigation shows one word instead."""
    text: str = ""
    missing: str = ""
    """Why there is nothing to show, and how to get it."""
    panels: list[Panel] = field(default_factory=list)
    are_paired: bool = False
    """Whether two panels are placed side by side where there is room."""
    cards: list[Card] = field(default_factory=list)
    cloud: Cloud | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    """(name, figure), shown as tiles."""
    links: list[Link] = field(default_factory=list)
