"""A headless Chromium that is told what to do over its DevTools protocol: open a page, click, run a line of script."""

import base64
import json
import re
import shutil
import subprocess
import time

from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--remote-debugging-port=0",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-allow-origins=*",
]  # fmt: skip


class Browser:
    """A browser with one page.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Where it keeps what it needs.
    """

    def __init__(self, folder):
        command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        address = next(m[1] for m in map(re.compile(r"listening on (ws://\S+)").search, self.process.stderr) if m)
        self.loop, self._number, self.said = IOLoop(make_current=False), 0, []
        self._socket = self.loop.run_sync(lambda: self._connect(address))
        page = self("Target.createTarget", url="about:blank")["targetId"]
        self._page = self("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self(f"{domain}.enable")

    async def _connect(self, address):
        return await websocket_connect(address, max_message_size=1 << 28)

    def __call__(self, method, **parameters):
        """Do one thing; return what the browser answers."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if hasattr(self, "_page"):
            message["sessionId"] = self._page
        return self.loop.run_sync(lambda: self._ask(message), timeout=60)

    async def _ask(self, message):
        await self._socket.write_message(json.dumps(message))
        while True:
            answer = json.loads(await self._socket.read_message())
            if answer.get("id") == message["id"]:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.said.append(answer["params"])

    def run(self, script):
        """Return what an expression of the page's is."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script, seconds=60):
        """Wait until an expression is true; return what it is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.run(script):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{script} is not so after {seconds} s; the browser said {self.said}")

    def window(self, width, height, dark=False):
        """Take a size (CSS pixels), and a preference for light or dark."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", features=[feature])

    def click(self, x, y):
        """Click with the mouse."""
        for kind in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def point(self, x, y):
        """Move the mouse to a place."""
        self("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path):
        """Keep a picture of the whole page."""
        shown = self("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shown["data"]))

    def close(self):
        """End it."""
        self("Browser.close")
        self.process.wait(30)
        self.process.stderr.close()
        self.loop.close(all_fds=True)
