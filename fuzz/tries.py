"""Inputs of every kind of fault, and what is right for each: `fuzz/kinds.py` tries them."""

import contextlib
import io
import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from jobs import SAMPLES, prepare_corpus, prepare_recordings
from sounds import Samples, encode, encode_media

LONGEST_S = 300.0
Outcome = tuple[bool, str]
Try = Callable[["Version", Path], Outcome]
TRIES: list[tuple[str, str, Try]] = []
_FILES = [SAMPLES / "emodb" / f"15b09{end}.wav" for end in ("Wb", "Ta", "Nb")]
SPEECH: list[Samples] = [soundfile.read(path, dtype="float32")[0] for path in _FILES]
_OF_PCM: dict[tuple[tuple[str, ...], bytes], dict[str, Any]] = {}  # answers to plain PCM files
LONG: Samples = np.concatenate([*SPEECH, *SPEECH])


@dataclass(frozen=True)
class Version:
    """A version of seqcap.

    Attributes:
        python: The command that starts Python with it.
    """

    python: Sequence[str]

    def run(self, *arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Runs `seqcap` to its end."""
        command = [*self.python, "-m", "seqcap", *map(os.fsdecode, map(_text, arguments))]
        known: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.run(
            command, **(known | options), text=True, errors="replace", timeout=LONGEST_S
        )

    def rows(self, *arguments: object) -> tuple[list[dict[str, Any]], str]:
        """Recognises; gives the rows and what was said."""
        run = self.run("predict", *arguments, "--format", "json")
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(run.stdout), run.stderr
        return [], run.stderr


def _text(argument: object) -> str | bytes:
    return argument if isinstance(argument, bytes) else str(argument)


def _try(kind: str, name: str) -> Callable[[Try], Try]:
    def add(function: Try) -> Try:
        TRIES.append((kind, name, function))
        return function

    return add


def _summary(rows: Sequence[dict[str, Any]], said: str) -> str:
    """What came, in a few words."""
    lines = [line.removeprefix("seqcap: ") for line in said.splitlines() if line.strip()]
    lines = ["a traceback"] if "Traceback" in said else lines
    answers = [f"{row['predicted']}, {row['end'] - row['start']:.1f} s" for row in rows[:3]]
    words = lines[-1:] if lines or rows else ["no word"]
    text = "; ".join([*answers, *(line.rpartition("/")[2] for line in words)])
    text = re.sub(r"^\S+\.\w+: |; fetch it again.*|; convert .*|; WAV, FLAC.*|[╭│╰].*", "", text)
    return text[:110].strip().replace("|", "/")


def _as_pcm(name: str, content: bytes, sound: Samples, tolerance: float = 0.15) -> Try:
    """The answer is that of the plain PCM file, over all of its length."""

    def try_it(version: Version, folder: Path) -> Outcome:
        (folder / name).write_bytes(content)
        rows, said = version.rows(folder / name)
        if not rows:
            return False, _summary(rows, said)
        key = (tuple(version.python), encode(sound))
        if key not in _OF_PCM:
            (folder / "pcm.wav").write_bytes(key[1])
            (_OF_PCM[key],), _ = version.rows(folder / "pcm.wav")
        expected = _OF_PCM[key]
        emotions = [key for key, value in expected.items() if isinstance(value, float)][2:]
        far = max(abs((rows[0][key] or 0) - (expected[key] or 0)) for key in emotions)
        whole = abs(rows[0]["end"] - expected["end"]) < 0.2
        return whole and far < tolerance, f"{_summary(rows, said)}; {far:.2f} off"

    return try_it


def _not_silent(name: str, content: bytes) -> Try:
    """A file that was cut off is refused, or the answer says so."""

    def try_it(version: Version, folder: Path) -> Outcome:
        (folder / name).write_bytes(content)
        rows, said = version.rows(folder / name)
        words = ("truncated", "cut off", "interrupted", "damaged", "left out", "follow")
        told = any(word in said.replace(str(folder), "") for word in words)
        return told and "Traceback" not in said, _summary(rows, said)

    return try_it


def _add_sound_tries() -> None:
    vbr = io.BytesIO()
    soundfile.write(vbr, LONG, 16000, format="MP3", bitrate_mode="VARIABLE", compression_level=0.9)
    mp3 = vbr.getvalue()
    headless = mp3[mp3.index(mp3[:2], 40) :]  # without the frame that counts the others
    ogg, opus = (encode(LONG, 16000, "OGG", kind) for kind in ("VORBIS", "OPUS"))
    twice = np.concatenate((LONG, LONG))
    for name, content, sound in (
        ("variable.mp3", headless, LONG),
        ("joined.mp3", mp3 + mp3, twice),
        ("joined-vorbis.ogg", ogg + ogg, twice),
        ("joined-opus.ogg", opus + opus, twice),
        ("joined.flac", 2 * encode(LONG, 16000, "FLAC"), twice),
    ):
        TRIES.append(("A", name, _as_pcm(name, content, sound, 0.3)))
    for container in ("WAV", "AIFF", "AU", "CAF", "W64", "RF64", "FLAC", "OGG"):
        content = encode(LONG, 16000, container)
        name = f"cut.{container.lower()}"
        TRIES.append(("B", name, _not_silent(name, content[: 2 * len(content) // 5])))
    for container, codec, ending in (("ipod", "aac", "m4a"), ("matroska", "flac", "mka")):
        content = encode_media(LONG, 16000, container, codec)
        name = f"cut.{ending}"
        TRIES.append(("B", name, _not_silent(name, content[: 2 * len(content) // 5])))
    wav = bytearray(encode(LONG))
    wav[4:8] = wav[40:44] = bytes(4)
    TRIES.append(("B", "sizes of 0 in a WAV", _as_pcm("zero.wav", bytes(wav), LONG)))
    for offset in (0.02, 0.1, 0.3):
        quiet = (SPEECH[0] * 0.5 + offset).astype(np.float32)
        TRIES.append(("C", f"offset {offset}", _as_pcm("dc.wav", encode(quiet), SPEECH[0])))
    own, late = SPEECH[0], np.roll(SPEECH[0], 1)
    for name, other in (("one the other's opposite", -late), ("one silent", 0 * own)):
        stereo = np.stack((own, other), 1).astype(np.float32)
        TRIES.append(("D", name, _as_pcm("stereo.wav", encode(stereo), own)))
    for container, codec, rate_hz, ending in (
        ("ipod", "aac", 16000, "m4a"), ("adts", "aac", 16000, "aac"), ("mp4", "aac", 16000, "mp4"),
        ("mov", "pcm_s16le", 16000, "mov"), ("webm", "libopus", 16000, "webm"),
        ("matroska", "flac", 16000, "mka"), ("asf", "wmav2", 16000, "wma"),
        ("ac3", "ac3", 48000, "ac3"), ("wv", "wavpack", 16000, "wv"),
    ):  # fmt: skip
        sound = np.repeat(LONG, rate_hz // 16000)  # crude, but of the same words
        content = encode_media(sound, rate_hz, container, codec, bits_per_s=64000)
        TRIES.append(("F", f".{ending}", _as_pcm(f"phone.{ending}", content, LONG, 0.4)))


_add_sound_tries()


@_try("D", "each channel by itself")
def _(version: Version, folder: Path) -> Outcome:
    size = len(SPEECH[0])
    stereo = np.stack((SPEECH[0], np.resize(SPEECH[1], size)), 1)
    (folder / "call.wav").write_bytes(encode(stereo))
    rows, said = version.rows(folder / "call.wav", "--channel", "each")
    return [row["predicted"] for row in rows] == ["anger", "sadness"], _summary(rows, said)


@_try("E", "a name that is no UTF-8, in a folder")
def _(version: Version, folder: Path) -> Outcome:
    for name in (b"bad\xff.wav", b"good.wav"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(encode(SPEECH[0]))
    run = version.run("predict", folder, "--format", "csv")
    return run.stdout.count("anger,") >= 2 or run.stdout.count(",anger") >= 3, _summary(
        [], run.stderr
    )


@_try("E", "a pipe in place of a file")
def _(version: Version, folder: Path) -> Outcome:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", closefd=True) as file, contextlib.suppress(BrokenPipeError):
        file.write(encode(SPEECH[0][:25000]))  # fits into a pipe
    run = version.run("predict", f"/dev/fd/{reading}", "--format", "csv", pass_fds=(reading,))
    os.close(reading)
    return ",anger" in run.stdout.partition("\n")[2], _summary([], run.stderr)


@_try("E", "a named pipe below a folder")
def _(version: Version, folder: Path) -> Outcome:
    os.mkfifo(folder / "pipe.wav")
    (folder / "good.wav").write_bytes(encode(SPEECH[0]))
    rows, said = version.rows(folder)
    return len(rows) == 1, _summary(rows, said)


@_try("F", "a folder with WAV, m4a, webm and a PDF")
def _(version: Version, folder: Path) -> Outcome:
    (folder / "a.wav").write_bytes(encode(SPEECH[0]))
    (folder / "b.m4a").write_bytes(encode_media(SPEECH[0], 16000, "ipod", "aac"))
    (folder / "c.webm").write_bytes(encode_media(SPEECH[0], 16000, "webm", "libopus"))
    (folder / "d.pdf").write_bytes(b"%PDF-1.4")
    rows, said = version.rows(folder)
    return len(rows) == 3 and ".pdf" in said, _summary(rows, said)


@_try("G", "a start of 1,5 in a table with semicolons")
def _(version: Version, folder: Path) -> Outcome:
    (folder / "a.wav").write_bytes(encode(LONG))
    table = folder / "table.csv"
    table.write_text("file;start;end;speaker;emotion\na.wav;1,5;2,5;s;anger\n", "utf-8")
    program = "import sys, pathlib; from seqcap.corpora.table import read_table\n"
    program += "print(read_table(pathlib.Path(sys.argv[1]))['start'][0])"
    run = _python(version, program, table)
    came = run.stdout.strip() or run.stderr.strip().rpartition("\n")[2][:100]
    return came == "1.5", f"start {came}"


@_try("G", "speakers 03 and 3.0")
def _(version: Version, folder: Path) -> Outcome:
    prepare_corpus(folder)
    table = folder / "corpus.csv"
    text = table.read_text("utf-8")
    for old, new in ((",a,", ",03,"), (",b,", ",3.0,")):
        text = text.replace(old, new)
    table.write_text(text, "utf-8")
    folds = folder / "folds.json"
    run = version.run("corpus", "folds", table, "--labels", "anger,sadness", "--scheme", "loso",
                      "--output", folds)  # fmt: skip
    names = [fold["test"] for fold in json.loads(folds.read_text("utf-8"))["folds"]] if (
        folds.exists()) else []  # fmt: skip
    came = f"{len(names)} people" if names else _summary([], run.stderr)
    return len(names) == 2 or "speakers" in run.stderr, came


@_try("H", "the output is the recording")
def _(version: Version, folder: Path) -> Outcome:
    path, content = folder / "a.wav", encode(SPEECH[0])
    path.write_bytes(content)
    run = version.run("predict", path, "--format", "csv", "--output", path)
    kept = path.read_bytes() == content
    return kept and run.returncode == 2, "kept, refused" if kept else "the recording is gone"


@_try("H", "an output that is a link; umask 077")
def _(version: Version, folder: Path) -> Outcome:
    (folder / "a.wav").write_bytes(encode(SPEECH[0]))
    (folder / "real.csv").write_text("old")
    (folder / "link.csv").symlink_to(folder / "real.csv")
    for name in ("link.csv", "new.csv"):
        version.run("predict", folder / "a.wav", "--output", folder / name, umask=0o077)
    rights = stat.S_IMODE((folder / "new.csv").stat().st_mode)
    linked = (folder / "link.csv").is_symlink() and "anger" in (folder / "real.csv").read_text()
    return linked and rights == 0o600, f"{'link kept' if linked else 'link gone'}, {rights:o}"


@_try("H", "standard output on a full disk")
def _(version: Version, folder: Path) -> Outcome:
    with Path("/dev/full").open("w") as full:
        run = version.run("predict", _FILES[0], stdout=full)
    good = run.returncode not in (0, -6) and "Traceback" not in run.stderr
    return good, f"status {run.returncode}, {_summary([], run.stderr)}"


def _stopped(version: Version, folder: Path, arguments: Sequence[str], ready: Try) -> Outcome:
    """Sends SIGTERM once a job is at work; right is 143 and a word on how to resume."""
    command = [*version.python, "-m", "seqcap", *arguments]
    with (folder / "said").open("wb") as said, subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=said, cwd=folder
    ) as process:  # fmt: skip
        until = time.monotonic() + LONGEST_S
        while process.poll() is None and not ready(version, folder)[0]:
            time.sleep(0.02)
            if time.monotonic() > until:
                process.kill()
        process.send_signal(signal.SIGTERM)
        status = process.wait(LONGEST_S)
    text = (folder / "said").read_text("utf-8", "replace")
    return status == 143 and "resume" in text, f"status {status}, {_summary([], text)}"


@_try("I", "SIGTERM while a folder is recognised")
def _(version: Version, folder: Path) -> Outcome:
    prepare_recordings(folder)
    kept = folder / "out" / "emotions.csv.partial"
    began_s = time.monotonic()

    def is_at_work(version: Version, folder: Path) -> Outcome:
        hidden = any(path.name.startswith(".emotions") for path in (folder / "out").iterdir())
        rows = kept.exists() and kept.read_bytes().count(b"\n") > 1
        return rows or (hidden and time.monotonic() - began_s > 5), ""

    arguments = ("predict", "calls", "--output", "out/emotions.csv")
    return _stopped(version, folder, arguments, is_at_work)


@_try("J", "SIGTERM while a model is trained")
def _(version: Version, folder: Path) -> Outcome:
    prepare_corpus(folder)

    def is_at_work(version: Version, folder: Path) -> Outcome:
        return any((folder / "out").rglob("*.ckpt")), ""

    arguments = (
        *("train", "corpus.csv", "--labels", "anger,sadness", "--folds", "loso", "--output"),
        *("out", "--set", "epochs=500", "--set", "segment_s=0.3", "--set", "batch_size=4"),
    )
    return _stopped(version, folder, arguments, is_at_work)


@_try("K", "a pool forked after a recognition")
def _(version: Version, folder: Path) -> Outcome:
    program = """
import multiprocessing, sys
from seqcap import Recognizer
recognizer = Recognizer.from_pretrained()
def answer(path):
    return recognizer.recognize(path).predicted
first = answer(sys.argv[1])
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(first, *pool.map_async(answer, sys.argv[1:]).get(60))
"""
    run = _python(version, program, _FILES[0])
    came = run.stdout.strip()
    return came == "anger anger", came or "no answer within 60 s"


def _nobody_speaks(sound: npt.NDArray[np.float64]) -> Try:
    def try_it(version: Version, folder: Path) -> Outcome:
        (folder / "a.wav").write_bytes(encode(sound.astype(np.float32)))
        rows, said = version.rows(folder / "a.wav")
        return bool(rows) and rows[0]["predicted"] in ("no speech", "uncertain"), _summary(
            rows, said
        )

    return try_it


def _noises() -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    noise = np.random.default_rng(0).normal(size=64000)
    times_s = np.arange(64000) / 16000
    chord = sum(np.sin(2 * np.pi * hz * times_s) for hz in (262, 330, 392))
    yield "white noise", 0.05 * noise
    yield "near-silence", 2e-4 * noise
    yield "a chord", 0.1 * chord * np.exp(-(times_s % 1))


TRIES += [("L", name, _nobody_speaks(sound)) for name, sound in _noises()]


@_try("M", "8 kHz mu-law")
def _(version: Version, folder: Path) -> Outcome:
    narrow = LONG[: len(LONG) // 2 * 2].reshape(-1, 2).mean(1)
    (folder / "call.wav").write_bytes(encode(narrow, 8000, "WAV", "ULAW"))
    rows, said = version.rows(folder / "call.wav")
    return "telephone" in said, _summary(rows, said)


@_try("N", "a soft speaker before a loud one")
def _(version: Version, folder: Path) -> Outcome:
    (folder / "a.wav").write_bytes(encode(np.concatenate((0.01 * LONG[:64000], LONG))))
    rows, _ = version.rows(folder / "a.wav", "--timeline")
    first_s = rows[0]["timeline"][0]["start"] if rows else -1.0
    return 0 <= first_s < 0.5, f"the time line begins at {first_s:.1f} s"


@_try("P", "'angri' in a table to train on")
def _(version: Version, folder: Path) -> Outcome:
    prepare_corpus(folder)
    table = folder / "corpus.csv"
    table.write_text(table.read_text("utf-8").replace("anger", "angri", 1), "utf-8")
    run = version.run("train", table, "--labels", "anger,sadness", "--folds", "loso", "--output",
                      folder / "out", "--set", "epochs=1", "--set", "segment_s=0.3")  # fmt: skip
    said = run.stderr + run.stdout
    named = [line for line in said.splitlines() if "angri" in line]
    return bool(named) and "anger" in said, named[0][-120:] if named else _summary([], said)


def _python(
    version: Version, program: str, *arguments: object
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*version.python, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
