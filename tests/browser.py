"""Headless Chromium, controlled through its DevTools pipe, with real pointer, sizes and colours."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
LAPTOP, PHONE = 1280, 390

needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on the PATH"),
]

Pixels = npt.NDArray[np.int16]


class Tab:
    """One page. `faults` are its console messages, exceptions and violations of its policy.
    `requests` are the addresses that it requested, except its own file."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._pending = b""
        self._session: dict[str, str] = {}
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self._note(answer)

    def open(self, page: Path, width: int, *, dark: bool) -> None:
        """Show a page at full height and `width` CSS pixels wide, as on a phone or a laptop."""
        self._size(width, 900)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._note(self._read())
        self._events.clear()
        self._size(width, self.height)

    def _size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width == PHONE,
        )

    @property
    def height(self) -> int:
        """Return the height of the content."""
        return int(self.ask("document.documentElement.scrollHeight"))

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def move(self, x: float, y: float) -> None:
        """Move the mouse to a position on the page."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def tap(self, x: float, y: float) -> None:
        """Tap on the page with a finger."""
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def picture(self, box: Sequence[int] = ()) -> Pixels:
        """Return the page, or its box (left, top, right, bottom), as [height, width, RGB]."""
        return np.asarray(self.image(box)).astype(np.int16)

    def image(self, box: Sequence[int] = ()) -> Image.Image:
        """Return the page, or its box (left, top, right, bottom), as an image."""
        more: dict[str, Any] = {}
        if box:
            left, top, right, bottom = box
            size = {"width": right - left, "height": bottom - top, "scale": 1}
            more["clip"] = {"x": left, "y": top, **size}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, **more)
        return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            piece = self._answers.read(1 << 20)
            assert piece, "the browser went away"
            self._pending += piece
        text, _, self._pending = self._pending.partition(b"\0")
        return dict(json.loads(text))

    def _note(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        told = event.get("params", {})
        if event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.faults.append(json.dumps(told)[:2000])
        if event.get("method") == "Log.entryAdded":
            self.faults.append(str(told["entry"]["text"]))
        if event.get("method") == "Network.requestWillBeSent":
            address = str(told["request"]["url"])
            if told.get("type") != "Document" and not address.startswith("data:"):
                self.requests.append(address)


@contextmanager
def browse(profile: Path) -> Iterator[Tab]:
    """Start a browser and yield its only tab.

    Args:
        profile: A folder for the profile of the browser.
    """
    assert BROWSER is not None
    commands, to_browser = os.pipe()
    from_browser, answers = os.pipe()
    options = f"--headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir={profile}"
    line = f"exec {BROWSER} {options} --remote-debugging-pipe 3<&{commands} 4>&{answers}"
    with open(profile.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", line], pass_fds=(commands, answers), stdout=log, stderr=log
        )
    os.close(commands)
    os.close(answers)
    try:
        yield Tab(to_browser, from_browser)
    finally:
        process.terminate()
        process.wait(30)
        os.close(to_browser)


def find_plots(tab: Tab) -> dict[str, tuple[int, int, int, int]]:
    """Return (left, top, right, bottom) of each visible plot by the id of its section."""
    found = tab.ask(
        """[...document.querySelectorAll(".plot")].map((plot) => {
          const box = plot.getBoundingClientRect();
          return [plot.closest("section").id, box.left, box.top, box.right, box.bottom];
        }).filter((one) => one[1] < one[3])"""
    )
    return {name: tuple(round(side) for side in box) for name, *box in found}


def measure_inks(plot: Pixels) -> dict[str, float]:
    """Return the shares of a plot's pixels in the main colour, in the second one, and in text.

    Text differs from the panel far more than grid lines do.
    """
    red, blue = plot[..., 0], plot[..., 2]
    grey = plot.max(axis=2) - plot.min(axis=2) < 40
    return {
        "main": float((blue - red > 60).mean()),
        "second": float((red - blue > 60).mean()),
        "text": float((grey & (np.abs(plot - plot[1, 1]).max(axis=2) > 150)).mean()),
    }


def check_plots(tab: Tab, width: int, *, dark: bool, names: set[str], two_colors: set[str]) -> None:
    """Assert that the open page draws exactly these plots, fits its width and has no faults."""
    assert tab.ask("document.documentElement.scrollWidth") == width
    pixels, plots = tab.picture(), find_plots(tab)
    assert (pixels[3, 3].mean() < 60) == dark
    assert plots.keys() == names
    for name, (left, top, right, bottom) in plots.items():
        assert 0 <= left < right <= width
        inks = measure_inks(pixels[top:bottom, left:right])
        assert inks["main"] > 0.003, f"{name}: no marks {inks}"
        assert (inks["second"] > 0.0007) == (name in two_colors), f"{name}: {inks}"
        assert inks["text"] > 0.002, f"{name}: no text {inks}"
    assert not tab.faults
    assert not tab.requests
