"""One small valid file of every kind that seqcap reads: what the mutations start from."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sounds import encode, encode_media, make_speech_like

from seqcap.recognition.model_folder import (
    DECIDE_FILE,
    ENCODE_FILE,
    PRETRAINED_FOLDER,
    SETTINGS_FILE,
    WEIGHTS_FILE,
)

_DURATION_S = 1.5
SOUND_SUBTYPES = {
    "WAV": ("PCM_16", "PCM_U8", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"),
    "WAVEX": ("PCM_16",),
    "RF64": ("PCM_16",),
    "W64": ("PCM_16",),
    "AIFF": ("PCM_16", "FLOAT"),
    "AU": ("PCM_16", "ULAW"),
    "CAF": ("PCM_16", "ALAC_16"),
    "SVX": ("PCM_16",),
    "VOC": ("PCM_16",),
    "NIST": ("PCM_16",),
    "FLAC": ("PCM_16", "PCM_24"),
    "OGG": ("VORBIS", "OPUS"),
    "MP3": ("MPEG_LAYER_III",),
    "IRCAM": ("PCM_16",),
    "PVF": ("PCM_16",),
    "PAF": ("PCM_16",),
    "AVR": ("PCM_16",),
    "MPC2K": ("PCM_16",),
    "HTK": ("PCM_16",),
    "MAT4": ("PCM_16",),
    "MAT5": ("PCM_16",),
    "SDS": ("PCM_16",),
}
# Container, codec and sampling rate, as PyAV names them.
MEDIA = (
    ("ipod", "aac", 16000),
    ("mov", "pcm_s16le", 16000),
    ("webm", "libopus", 48000),
    ("matroska", "flac", 16000),
    ("amr", "libopencore_amrnb", 8000),
    ("3gp", "libopencore_amrnb", 8000),
    ("adts", "aac", 16000),
    ("ac3", "ac3", 48000),
    ("mp2", "mp2", 16000),
    ("avi", "pcm_s16le", 16000),
    ("flv", "aac", 44100),
    ("wv", "wavpack", 16000),
    ("tta", "tta", 16000),
    ("asf", "wmav2", 16000),
    ("mpegts", "aac", 16000),
)


def sound_seeds() -> Iterator[tuple[str, bytes]]:
    """Gives name and content of a sound file of every format."""
    for container, subtypes in SOUND_SUBTYPES.items():
        for subtype in subtypes:
            rate_hz = 8000 if subtype == "GSM610" else 16000
            sound = make_speech_like(_DURATION_S, rate_hz)
            yield f"{container} {subtype}", encode(sound, rate_hz, container, subtype)
    for container, codec, rate_hz in MEDIA:
        sound = make_speech_like(_DURATION_S, rate_hz)
        yield f"{container} {codec}", encode_media(sound, rate_hz, container, codec)


def table_seeds(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Gives name and content of a corpus table of every kind."""
    import pandas as pd

    rows = [
        {
            "file": f"wav/{i}.wav",
            "start": 0.25 * i,
            "end": 0.25 * i + 2,
            "speaker": f"s{i % 5:02}",
            "emotion": ("anger", "sadness", "neutral")[i % 3],
            "gender": "female",
        }
        for i in range(40)
    ]
    table = pd.DataFrame(rows)
    for separator, name in ((",", "comma"), (";", "semicolon"), ("\t", "tab")):
        yield f"csv {name}", table.to_csv(index=False, sep=separator).encode()
    path = folder / "seed.parquet"
    table.to_parquet(path, index=False)
    yield "parquet", path.read_bytes()


# The files of a model that torch runs, and of one that onnxruntime runs.
MODEL_FILES = {
    "torch": (SETTINGS_FILE, WEIGHTS_FILE),
    "onnx": (SETTINGS_FILE, WEIGHTS_FILE, ENCODE_FILE, DECIDE_FILE),
}


def model_seeds() -> Iterator[tuple[str, str, bytes]]:
    """Gives engine, name and content of each file of a model."""
    for engine, files in MODEL_FILES.items():
        for file in files:
            yield engine, file, (PRETRAINED_FOLDER / file).read_bytes()


def lay_out_model(folder: Path, engine: str, name: str, content: bytes) -> Path:
    """Makes a model of which one file has another content."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in MODEL_FILES[engine]:
        if file == name:
            (folder / file).write_bytes(content)
        else:
            (folder / file).symlink_to(PRETRAINED_FOLDER / file)
    return folder


def hostile_settings() -> Iterator[bytes]:
    """Gives settings of a model that need too much, or for what makes no sense."""
    settings = json.loads((PRETRAINED_FOLDER / SETTINGS_FILE).read_text("utf-8"))
    values: tuple[Any, ...] = (
        0,
        -1,
        2**31,
        2**62,
        1e308,
        float("nan"),
        None,
        "x",
        [],
        {},
        [[]] * 9,
        True,
    )
    for key in settings:
        for value in values:
            yield json.dumps(settings | {key: value}).encode()
    for key in settings["capsule_settings"]:
        for value in values:
            changed = settings["capsule_settings"] | {key: value}
            yield json.dumps(settings | {"capsule_settings": changed}).encode()
    for key in settings.get("normalisation", {}):
        for value in values:
            changed = settings["normalisation"] | {key: value}
            yield json.dumps(settings | {"normalisation": changed}).encode()
    yield json.dumps(settings | {"emotions": [str(i) for i in range(10**6)]}).encode()
    yield json.dumps(settings | {"emotions": ["anger"] * 4}).encode()
    yield b"[" * 100_000
    yield b'{"format": 2}'
    yield b"\x80\x04\x95cos\nsystem\n(S'touch /tmp/seqcap-was-run'\ntR."
