"""A real browser for the tests of leaderboard.html: headless Chromium, driven through its DevTools pipe. No network.

A page is asked by evaluating JavaScript in it; keys and clicks go through the browser's own input, as a person's do.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run", "--mute-audio")
KEYS = {"Enter": ("\r", 13), " ": (" ", 32), "Tab": (None, 9), "Escape": (None, 27), "End": (None, 35)}
KEYS |= {"ArrowLeft": (None, 37), "ArrowUp": (None, 38), "ArrowRight": (None, 39), "ArrowDown": (None, 40)}


def found() -> str | None:
    """The browser's program: $LEANARMOR_BROWSER, or one on the path."""
    return os.environ.get("LEANARMOR_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page of a browser that is closed with `close`."""

    def __init__(self, program: str, profile: Path, size: tuple[int, int] = (1400, 1000)):
        # out of the way of 3 and 4, which the browser's ends become
        ends = (*os.pipe(), *os.pipe())
        pipes = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
        for end in ends:
            os.close(end)
        to_browser, commands, answers, from_browser = pipes

        def give() -> None:
            os.dup2(to_browser, 3)
            os.dup2(from_browser, 4)

        window = f"--window-size={size[0]},{size[1]}"
        self._process = subprocess.Popen(
            [program, *OPTIONS, window, f"--user-data-dir={profile}", "about:blank"],
            close_fds=False,
            preexec_fn=give,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._out, self._in = os.fdopen(commands, "wb"), os.fdopen(answers, "rb")
        self._number, self._session, self._rest = 0, None, b""
        self.said: list[str] = []  # errors of the page, and requests that it made
        (target,) = [one for one in self._ask("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self._ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._ask(f"{domain}.enable")
        self._ask("Performance.enable", timeDomain="threadTicks")

    def open(self, path: Path) -> None:
        """Load a file, and wait until it has run."""
        self._ask("Page.navigate", url=path.resolve().as_uri())
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def worked(self) -> float:
        """Seconds of computing since the page was opened, layout included; a busy machine adds none."""
        metrics = {one["name"]: one["value"] for one in self._ask("Performance.getMetrics")["metrics"]}
        return metrics["TaskDuration"]

    def run(self, script: str) -> Any:
        """The value of an expression, or of a promise, in the page."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        text, code = KEYS[key]
        common = {"key": key, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
        self._ask("Input.dispatchKeyEvent", type="keyDown", **common)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def hover(self, selector: str) -> None:
        self._point("mouseMoved", self._corner(selector))

    def click(self, selector: str) -> None:
        self.drag(selector, 0)

    def drag(self, selector: str, across: int) -> None:
        """Press the mouse's button in an element's corner, and let it go so many pixels to the right."""
        x, y = self._corner(selector)
        for kind, to in (("mousePressed", x), ("mouseMoved", x + across), ("mouseReleased", x + across)):
            self._point(kind, (to, y), button="left", buttons=1, clickCount=1)

    def scripts(self, run: bool) -> None:
        """Whether pages that are opened from now on run their scripts."""
        self._ask("Emulation.setScriptExecutionDisabled", value=not run)

    def imitate(self, media: str, scheme: str) -> None:
        """Show the page as on paper ("print"), or on a screen (""), to someone who prefers a light or a dark one."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._ask("Emulation.setEmulatedMedia", media=media, features=features)

    def resize(self, width: int, height: int) -> None:
        """The window, from now on, whatever pages are opened."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path) -> None:
        """The window as PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))

    def paper(self, path: Path) -> None:
        """The page printed, as PDF."""
        path.write_bytes(base64.b64decode(self._ask("Page.printToPDF", printBackground=False)["data"]))

    def close(self) -> None:
        self._ask("Browser.close")
        self._process.wait(20)
        self._out.close()
        self._in.close()

    def _corner(self, selector: str) -> tuple[float, float]:
        box = self.run(f"JSON.stringify(document.querySelector({selector!r}).getBoundingClientRect())")
        box = json.loads(box)
        return box["x"] + 5, box["y"] + 5

    def _point(self, kind: str, at: tuple[float, float], **more: Any) -> None:
        self._ask("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], **more)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        own = method.split(".")[0] not in ("Target", "Browser")
        message |= {"sessionId": self._session} if self._session and own else {}
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while (answer := self._read()).get("id") != self._number:
            pass
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._in.fileno(), 1 << 20)
            if not read:
                raise AssertionError("the browser has gone")
            self._rest += read
        whole, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(whole)
        told = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.said.append(told["exceptionDetails"]["exception"].get("description", "an exception"))
        elif message.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.said.append(told["entry"]["text"])
        elif message.get("method") == "Network.requestWillBeSent" and told["request"]["url"].startswith("http"):
            self.said.append(told["request"]["url"])
        return message
