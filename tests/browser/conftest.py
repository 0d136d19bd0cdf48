"""A page in a real browser: a few lines of script at its end say what has become of it."""

import html
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def in_browser(tmp_path_factory):
    """Run scripts in a page, in a window of a width; return what each gives. Without chromium the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("no chromium here (apt-get install chromium)")

    def call(content, scripts, beginning="", width=1400, options=()):
        folder = tmp_path_factory.mktemp("browser")
        path = folder / "page.html"
        parts = ", ".join(f"{name}: (() => {{{script}}})()" for name, script in scripts.items())
        end = f"<script>{{{beginning} document.body.dataset.said = JSON.stringify({{{parts}}});}}</script></body>"
        path.write_text(content.replace("</body>", end))
        command = [CHROMIUM, *OPTIONS, *options, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},1000"]
        command += ["--virtual-time-budget=2000", "--dump-dom", f"file://{path}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        (said,) = re.findall(r'data-said="([^"]*)"', done.stdout)
        return json.loads(html.unescape(said))

    return call
