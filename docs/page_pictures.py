"""Draws the pictures of page, explanation and report into docs/pictures: `make pictures`.

Needs Debian's chromium. The page and the report are made by the functions of their commands.
"""

import functools
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from seqcap import Recognizer
from seqcap.apps.static_page import write_page
from seqcap.recognition.model_folder import PRETRAINED_FOLDER
from seqcap.reports.explanation_figure import write_explanation_figure
from seqcap.reports.report import write_report

PICTURES = Path(__file__).parent / "pictures"
SAMPLES = Path(__file__).parents[1] / "samples" / "emodb"
RESULTS = Path(__file__).parents[1] / "results" / "emodb-seeds"
SPOKEN, DROPPED = SAMPLES / "15b09Ta.wav", SAMPLES / "16a01Wb.wav"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder on a free port; gives its address."""
    handler = functools.partial(_Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def draw(browser: Browser, address: str, name: str, colours: str, width: int) -> None:
    """Drops a file, then speaks, and takes a picture while the answer is live."""
    size = {"width": width, "height": 820}
    context = browser.new_context(viewport=size, color_scheme=colours)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    page.locator("#record:not([disabled])").wait_for(timeout=600_000)
    page.locator("#files").set_input_files(str(DROPPED))
    page.locator(".answer").wait_for(timeout=600_000)
    page.locator("#record").click()
    page.locator("#live-bars [aria-valuenow]").first.wait_for(timeout=600_000)
    page.wait_for_timeout(3500)
    page.screenshot(path=PICTURES / f"{name}.png")
    context.close()


def draw_report(browser: Browser, scratch: Path) -> None:
    """Shows the top of a report on a screen and on a phone."""
    write_report(RESULTS, scratch)
    for name, width, height in (("report", 1280, 1250), ("report-phone", 400, 1250)):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto((scratch / "report.html").as_uri())
        page.screenshot(path=PICTURES / f"{name}.png")
        page.close()


def main() -> None:
    """Draws all."""
    PICTURES.mkdir(exist_ok=True)
    explanation = Recognizer.from_pretrained().explain(SAMPLES / "15b09Wb.wav")
    write_explanation_figure(explanation, PICTURES / "explanation.png")
    microphone = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={SPOKEN}",
    ]
    with (
        tempfile.TemporaryDirectory() as scratch,
        sync_playwright() as playwright,
        served(Path(scratch) / "site") as address,
    ):
        write_page(Path(scratch) / "site", PRETRAINED_FOLDER)
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", *microphone]
        )
        draw(browser, address, "page-light", "light", 720)
        draw(browser, address, "page-dark-phone", "dark", 390)
        draw_report(browser, Path(scratch) / "report")
        browser.close()


if __name__ == "__main__":
    main()
