"""The page that runs a network: self-contained, and in a browser of the same answers as `predict`."""

import base64
import json
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import stamp_tf
from stamp_tf.errors import StampError
from stamp_tf.serving.load import load_exported
from stamp_tf.testing.exporter import CLASS_NAMES, toy_network, write

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Drops one picture after another, the first before the network has started, and sends off what the page then shows.
DROPS = """
const found = {};
for (const [name, content] of Object.entries(%s)) {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0)), dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer }));
  await until(name);
  const lines = [...document.querySelectorAll("#likeliest .line")];
  found[name] = lines.map((line) => [...line.children].map((part) => part.textContent));
}
await send(found);
"""
FAILS = """
await until("The network cannot");
await send(state.textContent);
"""
SCRIPT = """<script type="module">
const state = document.getElementById("state");
const later = () => new Promise((go) => setTimeout(go, 20));
const until = async (start) => { while (!state.textContent.startsWith(start)) await later(); };
const send = (found) =>
  fetch("http://127.0.0.1:%d", { method: "POST", mode: "no-cors", body: JSON.stringify(found) });
%s
</script>"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    pytest.importorskip("tf2onnx")
    from stamp_tf.export.demo import export_demo

    return write(export_demo, toy_network(), tmp_path / "demo.html")


def test_the_page_needs_nothing_from_outside(page: Path) -> None:
    text = page.read_text()
    assert "straße" in text
    assert len(text) < 6_000_000
    assert "src=" not in text
    assert "<link" not in text
    assert "http" not in text.split('id="code">')[0] + text.split('<script type="module">')[-1]


def test_a_page_without_its_end_is_refused(page: Path) -> None:
    before, _, _ = page.read_text().partition('id="network">')
    page.write_text(page.read_text()[: len(before) + 999])
    with pytest.raises(
        StampError, match=r"demo\.html must be a whole page, but its end is missing; export it"
    ):
        load_exported(page)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium, of which none is installed")
def test_a_browser_answers_as_predict_does(page: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, size in (("same", (8, 8)), ("larger", (50, 31)), ("smaller", (5, 3)), ("tall", (8, 90))):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    Image.new("RGBA", (9, 9), (200, 30, 30, 0)).save(tmp_path / "transparent.png")
    pictures = sorted(tmp_path.glob("*.png"))
    contents = {path.name: base64.b64encode(path.read_bytes()).decode() for path in pictures}
    shown = in_browser(page, DROPS % json.dumps(contents))
    expected = stamp_tf.predict(page, pictures).probabilities
    for path, probabilities in zip(pictures, expected, strict=True):
        assert shown[path.name] == [
            [CLASS_NAMES[place], f"{100 * probabilities[place]:.1f} %"]
            for place in np.argsort(-probabilities)
        ]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium, of which none is installed")
def test_a_start_that_fails_is_told(page: Path) -> None:
    before, _, after = page.read_text().partition('id="network">')
    page.write_text(f'{before}id="network">{after[4:]}')
    assert "cannot be started in this browser: " in in_browser(page, FAILS)


def in_browser(page: Path, script: str) -> Any:
    """What a script sends off that runs behind those of the page."""
    sent: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.timeout = 120
        copy = page.with_name("copy.html")
        script = SCRIPT % (server.server_port, script)
        copy.write_text(page.read_text().replace("</body>", f"{script}</body>"))
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")
        profile = f"--user-data-dir={page.parent / 'profile'}"
        browser = subprocess.Popen([BROWSER, *options, profile, copy.as_uri()], stderr=subprocess.DEVNULL)
        try:
            server.handle_request()
        finally:
            browser.kill()
            browser.wait()
    assert sent, "the browser sent nothing within two minutes"
    return json.loads(sent[0])
