"""Do all interfaces give the same answer? Prints the largest difference of each.

    python benchmarks/doors.py [FILE ...] [--browser] [--markdown table.md]

The reference is `Recognizer.recognize(path)`. Without FILE there are twenty recordings: the eight
samples, and twelve made from them (other rates, formats, levels and channels; a pause, an offset,
clipping, a long one). `--browser` drives Debian's Chromium. The last column counts the recordings
with the same codes of warnings. Running answers are compared with what the same model says of the
file.
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
from collections.abc import Callable, Iterator, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soundfile
import soxr
from fastapi.testclient import TestClient

from seqcap.apps.serve_app import make_app
from seqcap.apps.static_page import write_page
from seqcap.audio.waveform import load_waveform
from seqcap.recognition.answers import Answer
from seqcap.recognition.export import export_model
from seqcap.recognition.model_folder import GRAPH_FILE, check_model_folder
from seqcap.recognition.recognizer import Recognizer

SAMPLES = Path(__file__).parents[1] / "samples" / "emodb"
Row = dict[str, Any]  # a probability for each emotion, and `warnings`


def made_recordings(folder: Path) -> Iterator[Path]:
    """Writes twelve recordings that are unlike the samples."""
    sounds = [soundfile.read(path, dtype="float32")[0] for path in sorted(SAMPLES.glob("*.wav"))]
    one, other = sounds[3], sounds[6]
    noise = np.random.default_rng(0).normal(0, 0.0005, 32000).astype(np.float32)
    stereo = soxr.resample(one, 16000, 44100)
    louder = np.concatenate(
        [sound * gain for sound, gain in zip(sounds, 4 * (1, 0.1), strict=True)]
    )
    made: dict[str, tuple[Any, int, str | None]] = {
        "telephone.wav": (soxr.resample(one, 16000, 8000), 8000, "ULAW"),
        "rate-48000.wav": (soxr.resample(other, 16000, 48000), 48000, "PCM_24"),
        "stereo.flac": (np.stack((stereo, 0.3 * stereo), 1), 44100, None),
        "opposed.wav": (np.stack((one, -0.9 * one), 1), 16000, None),
        "vorbis.ogg": (other, 16000, None),
        "layer-3.mp3": (soxr.resample(other, 16000, 44100), 44100, None),
        "clipped.wav": (np.clip(8 * one, -1, 1), 16000, None),
        "quiet.wav": (0.003 * other, 16000, "FLOAT"),
        "offset.wav": (other * 0.5 + 0.1, 16000, None),
        "pause.wav": (np.concatenate((one, noise, other)), 16000, None),
        "short.wav": (other[8000:14000], 16000, None),
        "long.wav": (louder, 16000, None),
    }
    for name, (samples, rate, subtype) in made.items():
        soundfile.write(folder / name, samples, rate, subtype=subtype)
        yield folder / name


def command_line(arguments: list[str], content: bytes | None = None) -> list[Row]:
    """What `seqcap predict --format jsonl` says."""
    run = subprocess.run(
        [sys.executable, "-m", "seqcap", "predict", *arguments, "--format", "jsonl"],
        input=content,
        capture_output=True,
        check=True,
    )
    return [json.loads(line) for line in run.stdout.decode().splitlines()]


def of_folder(files: list[Path], folder: Path) -> list[Row]:
    """What it says of a folder that holds links to the files."""
    links = [folder / f"{place:03}{path.suffix}" for place, path in enumerate(files)]
    for link, path in zip(links, files, strict=True):
        link.symlink_to(path.absolute())
    return sorted(command_line([str(folder)]), key=lambda row: str(row["file"]))


def of_table(files: list[Path], folder: Path) -> list[Row]:
    """What it says of a table of the files."""
    table = folder / "table.csv"
    table.write_text("file\n" + "".join(f"{path.absolute()}\n" for path in files), "utf-8")
    return command_line([str(table)])


def of_stream(recognizer: Recognizer, path: Path, horizon_s: float | None = 600.0) -> Row:
    """The last answer of a stream whose horizon holds all, or of all speech so far."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    stream = recognizer.stream(
        rate, channel_count=samples.shape[1], horizon_s=horizon_s, refresh_s=600.0
    )
    found = [
        each for i in range(0, len(samples), 777) for each in stream.push(samples[i : i + 777])
    ]
    (answer,) = [each for each in found + stream.finish() if isinstance(each, Answer)]
    return answer.to_dict()


def of_websocket(client: TestClient, path: Path) -> Row:
    """The same over the service's WebSocket."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    query = f"rate={rate}&channels={samples.shape[1]}&samples=f32le&horizon=60&refresh=60"
    with client.websocket_connect(f"/v1/stream?{query}") as socket:
        socket.send_bytes(samples.tobytes())
        socket.send_text("end")
        while True:
            row: Row = socket.receive_json()
            if "predicted" in row:
                return row


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


def of_browser(files: list[Path], emotions: Sequence[str]) -> Iterator[Row]:
    """What the page says in Chromium."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        write_page(Path(scratch) / "site", check_model_folder())
        handler = functools.partial(_Quiet, directory=Path(scratch) / "site")
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.locator("#record:not([disabled])").wait_for(timeout=1_200_000)
        page.locator("#files").set_input_files([str(path) for path in files])
        page.locator(".answer").nth(len(files) - 1).wait_for(timeout=1_200_000)
        with page.expect_download() as download:
            page.locator("#all-csv").click()
        rows = csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8")))
        for row in rows:
            probabilities = {emotion: float(row[emotion]) for emotion in emotions if row[emotion]}
            yield {**probabilities, "warnings": row["warnings"].split("; ")}
        browser.close()
        server.shutdown()


def compare(
    found: Sequence[Row], expected: Sequence[Row], emotions: Sequence[str]
) -> tuple[float, int]:
    """The largest difference of a probability; and how many have the same warnings."""
    difference, alike = 0.0, 0
    for row, own in zip(found, expected, strict=True):
        for emotion in emotions:
            value, wanted = row.get(emotion), own[emotion]
            if value is None or wanted is None:
                difference = max(difference, float(value is not wanted))
            else:
                difference = max(difference, abs(value - wanted))
        codes = [code for code in row.get("warnings", ()) if code]
        alike += sorted(codes) == sorted(own["warnings"])
    return difference, alike


def doors_of(
    recognizer: Recognizer, client: TestClient, files: list[Path], scratch: Path
) -> dict[str, Callable[[], list[Row]]]:
    """Every way in that needs no browser."""
    export_model(None, scratch / "exported")
    session = onnxruntime.InferenceSession(scratch / "exported" / GRAPH_FILE)

    def of_graph(path: Path) -> Row:
        speech = recognizer.checkpoint.normalisation.cut_to_speech(load_waveform(path))
        if not len(speech):
            return {}
        (row,) = session.run(["probabilities"], {"samples": speech[None]})[0].tolist()
        return dict(zip(recognizer.emotions, row, strict=True))

    def many(sources: list[Any]) -> list[Row]:
        found = recognizer.recognize_many(sources, warn=False)
        return [each.to_dict() for each in found if isinstance(each, Answer)]

    def of_rest(path: Path) -> Row:
        row: Row = client.post("/v1/recognize", content=path.read_bytes()).json()[0]
        return row

    for name in ("folder", "table"):
        (scratch / name).mkdir()
    return {
        "file, command line": lambda: command_line([str(p) for p in files]),
        "array": lambda: many([soundfile.read(p, dtype="float32") for p in files]),
        "bytes": lambda: many([p.read_bytes() for p in files]),
        "folder": lambda: of_folder(files, scratch / "folder"),
        "table": lambda: of_table(files, scratch / "table"),
        "standard input": lambda: [r for p in files for r in command_line(["-"], p.read_bytes())],
        "stream": lambda: [of_stream(recognizer, p) for p in files],
        "REST": lambda: [of_rest(p) for p in files],
        "WebSocket": lambda: [of_websocket(client, p) for p in files],
        "exported graph": lambda: [of_graph(p) for p in files],
    }


def main() -> None:
    """Compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--browser", action="store_true", help="also in Chromium")
    parser.add_argument("--markdown", type=Path, help="where to write the table, too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    recognizer = Recognizer.from_pretrained()
    with (
        tempfile.TemporaryDirectory() as folder,
        TestClient(make_app({"shipped": recognizer})) as client,
    ):
        made = Path(folder) / "made"
        made.mkdir()
        files: list[Path] = options.files or [
            *sorted(SAMPLES.glob("*.wav")),
            *made_recordings(made),
        ]
        expected = [recognizer.recognize(path, timeline=False).to_dict() for path in files]
        doors = doors_of(recognizer, client, files, Path(folder))
        if options.browser:
            doors["browser"] = lambda: list(of_browser(files, recognizer.emotions))
        lines = ["| door | largest difference | same warnings |", "|---|--:|--:|"]
        print("\n".join(lines))
        for name, door in doors.items():
            difference, alike = compare(door(), expected, recognizer.emotions)
            lines.append(f"| {name} | {difference:.1e} | {alike} of {len(files)} |")
            print(lines[-1], flush=True)
        running = Recognizer.from_pretrained("stream")
        expected = [running.recognize(path, timeline=False).to_dict() for path in files]
        found = [of_stream(running, path, horizon_s=None) for path in files]
        difference, _ = compare(found, expected, running.emotions)
        lines.append(f"| running answer, model `stream` | {difference:.1e} | - |")
        print(lines[-1])
        if options.markdown:
            options.markdown.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
