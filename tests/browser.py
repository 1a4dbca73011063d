"""A headless Chromium for tests, driven by chromedriver's HTTP protocol, without another package.

Debian and Ubuntu have packages ``chromium`` and ``chromium-driver``; ``CHROMIUM`` and ``CHROMEDRIVER`` name others.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The protocol's key for the id of an element."""

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def programs() -> tuple[str, str] | None:
    """Chromium and its driver, if both are installed."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


class BrowserError(Exception):
    """The driver answered with an error."""


class Browser:
    """One browser window.

    Args:
        width: width of the page in pixels.
        height: height of the page in pixels.
    """

    def __init__(self, width: int = 1440, height: int = 900) -> None:
        found = programs()
        if found is None:
            raise BrowserError("chromium and chromedriver are not installed")
        chromium, driver = found
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._log = Path(self._profile.name) / "driver.log"
        with self._log.open("wb") as log:
            self._driver = subprocess.Popen([driver, "--port=0"], stdout=log, stderr=subprocess.STDOUT)
        try:
            self._address = f"http://127.0.0.1:{self._port()}"
            options = {
                "binary": chromium,
                "args": [
                    "--headless=new",
                    "--no-sandbox",  # not available in containers and for root
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--disable-background-networking",
                    "--force-device-scale-factor=1",
                    f"--user-data-dir={self._profile.name}/profile",
                ],
            }
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            self._address += f"/session/{session}"
            self.size(width, height)
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the browser and its driver."""
        try:
            self._ask("DELETE", "")
        except (BrowserError, OSError):
            pass  # it has already stopped
        finally:
            self._stop()

    def _stop(self) -> None:
        self._driver.terminate()
        self._driver.wait(30)
        self._profile.cleanup()

    def _port(self) -> str:
        """The free port that the driver has chosen, from its log."""
        until = time.monotonic() + 60
        while time.monotonic() < until and self._driver.poll() is None:
            if match := re.search(r"started successfully on port (\d+)", self._log.read_text(errors="replace")):
                return match[1]
            time.sleep(0.02)
        raise BrowserError(f"chromedriver did not start: {self._log.read_text(errors='replace')}")

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(
            self._address + path, data, {"Content-Type": "application/json"}, method=method
        )
        # Requests to this machine must not go through a proxy of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise BrowserError(error.read().decode(errors="replace")) from None

    def tool(self, command: str, **parameters: Any) -> Any:
        """A command of the developer tools."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def size(self, width: int, height: int = 900) -> None:
        """Set the size of the page; a window cannot be as narrow as a phone."""
        self.tool("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name: str) -> None:
        """Set the preferred colour scheme: ``"light"`` or ``"dark"``."""
        self.tool("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, file: Path) -> None:
        """Open a file and clear the logs."""
        self.errors()
        self.requests()
        self._ask("POST", "/url", {"url": file.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script, which finds its arguments in ``arguments``; returns its value."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, *arguments: Any, seconds: float = 20) -> Any:
        """Run a script again and again until its value is true; returns the value."""
        until = time.monotonic() + seconds
        while not (value := self.run(script, *arguments)):
            if time.monotonic() > until:
                raise BrowserError(f"not true after {seconds} s: {script}")
            time.sleep(0.05)
        return value

    def element(self, selector: str) -> dict[str, str]:
        """The first element of a CSS selector."""
        found: dict[str, str] = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return found

    def click(self, selector: str) -> None:
        """Click with the mouse; the element must be visible and not covered."""
        self._ask("POST", f"/element/{self.element(selector)[ELEMENT]}/click", {})

    def press(self, selector: str, key: str) -> None:
        """Press a key on an element, which gets the focus."""
        self._ask("POST", f"/element/{self.element(selector)[ELEMENT]}/value", {"text": key})

    def choose(self, selector: str, text: str) -> None:
        """Choose an option of a select by its text."""
        self.run(
            """
            const select = document.querySelector(arguments[0]);
            const option = [...select.options].find((each) => each.text === arguments[1]);
            if (!option) throw new Error(`no option ${arguments[1]}`);
            select.value = option.value;
            select.dispatchEvent(new Event("change", { bubbles: true }));
            """,
            selector,
            text,
        )

    def move(self, x: float, y: float) -> None:
        """Move the mouse to a point of the visible page."""
        steps = [
            {"type": "pointerMove", "x": int(x) - 3, "y": int(y), "duration": 0},
            {"type": "pointerMove", "x": int(x), "y": int(y), "duration": 50},
        ]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}
        self._ask("POST", "/actions", {"actions": [mouse]})

    def errors(self) -> list[str]:
        """Warnings and errors of the console since the last call."""
        entries = self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        """The addresses that the page has requested since the last call."""
        entries = self._ask("POST", "/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith("chrome")]  # the browser's own start page

    def picture(self, file: Path, whole: bool = True) -> None:
        """Write a PNG of the whole page, or of its visible part."""
        data = self.tool("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(data))

    def pdf(self) -> bytes:
        """The page printed on A4."""
        answer = self.tool("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        return base64.b64decode(answer["data"])
