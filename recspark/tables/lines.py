"""The lines of a text, by their offsets."""

from __future__ import annotations

import numpy as np


class Lines:
    """The lines of a text; they end with LF or CR LF.

    Attributes:
        data: The text.
        starts: Offset of each line.
        ends: Offset after each line, its line end excluded.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._characters = np.frombuffer(data, np.uint8)
        breaks = np.flatnonzero(self._characters == ord("\n"))
        if data and not data.endswith(b"\n"):
            breaks = np.append(breaks, len(data))
        self.starts = np.append(0, breaks[:-1] + 1) if len(breaks) else breaks
        self.ends = breaks
        if b"\r" in data:
            has_return = self._characters[np.maximum(breaks - 1, 0)] == ord("\r")
            self.ends = breaks - ((breaks > self.starts) & has_return)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, line: int) -> bytes:
        return self.data[self.starts[line] : self.ends[line]]

    def with_byte(self, byte: bytes) -> list[int]:
        """Return the lines that hold a byte, line ends not counted."""
        found = np.flatnonzero(self._characters == ord(byte))
        owners = np.searchsorted(self.starts, found, side="right") - 1
        return [int(line) for line in np.unique(owners[found < self.ends[owners]])]

    def equal_to(self, text: bytes) -> list[int]:
        """Return the lines that are equal to a text."""
        if text not in self.data:
            return []
        alike = np.flatnonzero(self.ends - self.starts == len(text))
        return [line for line in alike.tolist() if self[line] == text]
