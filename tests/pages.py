"""A page as a parser sees it."""

from __future__ import annotations

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects tags, links, ids, plots per section, headings and the text of table cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.sections: list[str] = []
        self.headings: list[str] = []
        self.svgs: dict[str, int] = {}
        self.ids: list[str] = []
        self.cells: list[str] = []
        self.texts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "section":
            self.sections.append(str(values["id"]))
        if tag == "svg":
            self.svgs[self.sections[-1]] = self.svgs.get(self.sections[-1], 0) + 1
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.texts.append(data)
        if self._inside in ("td", "th"):
            self.cells.append(data)
        if self._inside in ("h1", "h2", "h3"):
            self.headings.append(data)


def read(page: str) -> Reader:
    """Parse a page and return the reader with what it found."""
    reader = Reader()
    reader.feed(page)
    return reader
