"""Do all ways in give the same answer? The largest difference of a probability for each.

    python benchmarks/doors.py [FILE ...] [--browser]

The reference is `Recognizer.recognize(path)`. Without FILE the samples are taken. `--browser`
drives Debian's Chromium.
"""

import argparse
import csv
import functools
import io
import json
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soundfile
from fastapi.testclient import TestClient

from seqcap.apps.serve_app import make_app
from seqcap.apps.static_page import write_page
from seqcap.audio.waveform import load_waveform
from seqcap.recognition.answers import Answer
from seqcap.recognition.model_folder import GRAPH_FILE, PRETRAINED_FOLDER
from seqcap.recognition.recognizer import Recognizer

SAMPLES = Path(__file__).parents[1] / "samples" / "emodb"
Probabilities = dict[str, float]


def command_line(arguments: list[str], content: bytes | None = None) -> list[Probabilities]:
    """What `seqcap predict --format jsonl` says."""
    run = subprocess.run(
        [sys.executable, "-m", "seqcap", "predict", *arguments, "--format", "jsonl"],
        input=content,
        capture_output=True,
        check=True,
    )
    return [json.loads(line) for line in run.stdout.decode().splitlines()]


def of_stream(recognizer: Recognizer, path: Path) -> Probabilities:
    """The last answer of a stream whose horizon holds all."""
    samples, rate = soundfile.read(path, dtype="int16")
    stream = recognizer.stream(rate, horizon_s=600.0, refresh_s=600.0)
    found = [
        each for i in range(0, len(samples), 777) for each in stream.push(samples[i : i + 777])
    ]
    (answer,) = [each for each in found + stream.finish() if isinstance(each, Answer)]
    return answer.probabilities


def of_websocket(client: TestClient, path: Path) -> Probabilities:
    """The same over the service's WebSocket."""
    samples, rate = soundfile.read(path, dtype="int16")
    with client.websocket_connect(f"/v1/stream?rate={rate}&horizon=60&refresh=60") as socket:
        socket.send_bytes(samples.tobytes())
        socket.send_text("end")
        while True:
            row: dict[str, Any] = socket.receive_json()
            if "predicted" in row:
                return row


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


def of_browser(files: list[Path]) -> Iterator[Probabilities]:
    """What the page says in Chromium."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        write_page(Path(scratch) / "site", PRETRAINED_FOLDER)
        handler = functools.partial(_Quiet, directory=Path(scratch) / "site")
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.locator("#record:not([disabled])").wait_for(timeout=300_000)
        page.locator("#files").set_input_files([str(path) for path in files])
        page.locator(".answer").nth(len(files) - 1).wait_for(timeout=300_000)
        with page.expect_download() as download:
            page.locator("#all-csv").click()
        rows = csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8")))
        yield from ({k: float(v) for k, v in r.items() if v and k[0] in "nahs"} for r in rows)
        browser.close()
        server.shutdown()


def main() -> None:
    """Compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--browser", action="store_true", help="also in Chromium")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    files: list[Path] = options.files or sorted(SAMPLES.glob("*.wav"))
    recognizer = Recognizer.from_pretrained()
    expected = [recognizer.recognize(path, timeline=False).probabilities for path in files]
    session = onnxruntime.InferenceSession(PRETRAINED_FOLDER / GRAPH_FILE)

    def of_graph(path: Path) -> Probabilities:
        (row,) = session.run(["probabilities"], {"samples": load_waveform(path)[None]})[0].tolist()
        return dict(zip(recognizer.emotions, row, strict=True))

    def many(sources: list[Any]) -> list[Probabilities]:
        found = recognizer.recognize_many(sources, warn=False)
        return [each.probabilities for each in found if isinstance(each, Answer)]

    with TestClient(make_app({"shipped": recognizer})) as client:

        def of_rest(path: Path) -> Probabilities:
            row: dict[str, Any] = client.post("/v1/recognize", content=path.read_bytes()).json()[0]
            return row

        doors: dict[str, Callable[[], list[Probabilities]]] = {
            "array": lambda: many([soundfile.read(p, dtype="float32") for p in files]),
            "bytes": lambda: many([p.read_bytes() for p in files]),
            "command line": lambda: command_line([str(p) for p in files]),
            "standard input": lambda: [
                row for p in files for row in command_line(["-"], p.read_bytes())
            ],
            "stream": lambda: [of_stream(recognizer, p) for p in files],
            "REST": lambda: [of_rest(p) for p in files],
            "WebSocket": lambda: [of_websocket(client, p) for p in files],
            "exported graph": lambda: [of_graph(p) for p in files],
        }
        if options.browser:
            doors["browser"] = lambda: list(of_browser(files))
        print(f"{len(files)} recordings; largest difference of a probability from that of the file")
        for name, door in doors.items():
            found = door()
            differences = [
                abs(row[emotion] - own[emotion])
                for row, own in zip(found, expected, strict=True)
                for emotion in recognizer.emotions
            ]
            print(f"{name:15} {np.max(differences):.1e}", flush=True)


if __name__ == "__main__":
    main()
