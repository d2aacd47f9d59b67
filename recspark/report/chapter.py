"""The building blocks of the report, beside the panels that every page has."""

from __future__ import annotations

from dataclasses import dataclass, field

from recspark.page.panel import Panel


@dataclass(frozen=True)
class Item:
    """An entry of a list on a card: a text, a figure, and a word on it where there is one."""

    text: str
    figure: str
    mark: str = ""


@dataclass(frozen=True)
class Link:
    """A line that leads to another page of the run."""

    text: str
    target: str
    """Address from this page's folder."""


@dataclass(frozen=True)
class Card:
    """A user or a movie with its lists, each (heading, entries)."""

    title: str
    text: str
    lists: list[tuple[str, list[Item]]]


@dataclass(frozen=True)
class Cloud:
    """Points of the map; all lists are as long, most rated movie first.

    Attributes:
        x: Left to right.
        y: Bottom to top, in the same unit.
        labels: Titles.
        ratings: Numbers of ratings.
        num_named: So many of the first points carry their title without being pointed at.
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
    """Its heading; navigation has a word of it."""
    text: str = ""
    missing: str = ""
    """Why there is nothing to show, and how to get it."""
    panels: list[Panel] = field(default_factory=list)
    are_paired: bool = False
    """Whether two panels stand beside each other where there is room."""
    cards: list[Card] = field(default_factory=list)
    cloud: Cloud | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    """(name, figure), shown as tiles."""
    links: list[Link] = field(default_factory=list)
