import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from seqcap.audio.waveform import load_waveform
from seqcap.corpora.fingerprints import (
    FingerprintIndex,
    Fingerprints,
    fingerprints_of,
    load_fingerprints,
    save_fingerprints,
)
from seqcap.errors import CheckpointError


@pytest.fixture(scope="module")
def waveforms(samples: list[Path]) -> list[np.ndarray]:
    return [load_waveform(file) for file in samples]


@pytest.fixture(scope="module")
def index(waveforms: list[np.ndarray]) -> FingerprintIndex:
    return FingerprintIndex(fingerprints_of(waveforms))


def coded(waveform: np.ndarray, rate_hz: int, **how: str) -> np.ndarray:
    """The waveform after a way through a file of another rate and format."""
    file = io.BytesIO()
    resampled = soxr.resample(waveform, 16000, rate_hz)
    soundfile.write(file, np.clip(resampled, -1, 1), rate_hz, **how)
    return load_waveform(file.getvalue())


def noisy(waveform: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=len(waveform))
    return (waveform + 0.1 * np.sqrt(np.mean(waveform**2)) * noise).astype(np.float32)  # 20 dB


ALTERATIONS = {
    "CD": lambda x: coded(x, 44100, format="FLAC"),
    "telephone": lambda x: coded(x, 8000, format="WAV", subtype="ULAW"),
    "GSM": lambda x: coded(x, 8000, format="WAV", subtype="GSM610"),
    "Opus": lambda x: coded(x, 16000, format="OGG", subtype="OPUS"),
    "MP3": lambda x: coded(x, 22050, format="MP3"),
    "soft": lambda x: x / 100,
    "clipped": lambda x: np.clip(8 * x, -0.9, 0.9),
    "trimmed": lambda x: x[7001:-4999],
    "noise": noisy,
    "padded": lambda x: np.concatenate((np.zeros(9999, np.float32), x, x[::-1])),
    "cut out and by telephone": lambda x: coded(noisy(x[5000:-3000]), 8000, subtype="ULAW",
                                                format="WAV"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERATIONS)
def test_altered_recordings_are_found(
    name: str, waveforms: list[np.ndarray], index: FingerprintIndex
) -> None:
    assert [index.find(ALTERATIONS[name](each)) for each in waveforms] == list(range(8))


def test_the_same_sentence_said_again_is_another_recording(waveforms: list[np.ndarray]) -> None:
    # Four of each speaker, each speaker's of one sentence.
    for place, waveform in enumerate(waveforms):
        others = FingerprintIndex(fingerprints_of(waveforms[:place] + waveforms[place + 1 :]))
        assert others.find(waveform) is None


def test_silence_and_what_is_too_short_is_never_found(index: FingerprintIndex) -> None:
    nothing = fingerprints_of([np.zeros(64000, np.float32), np.ones(100, np.float32)])
    assert nothing.counts.tolist() == [0, 0]
    for short in (np.zeros(64000, np.float32), np.ones(100, np.float32)):
        assert index.find(short) is None
        assert FingerprintIndex(nothing).find(short) is None


def test_bits_are_those_of_the_paper(waveforms: list[np.ndarray]) -> None:
    """Written once more as loops, from Eq. (1) of Haitsma and Kalker."""
    waveform = waveforms[0][:10000]
    prints = fingerprints_of([waveform])
    edges = np.geomspace(300, 3000, 34)

    def energies(start: int) -> list[float]:
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4096) / 4095)
        powers = np.abs(np.fft.fft(waveform[start : start + 4096] * window)) ** 2
        total = np.interp(np.arange(1025), np.arange(1025), np.cumsum([0, *powers])[:1025])
        below = np.interp(edges / 16000 * 4096, np.arange(1025), total)
        return list(below[1:] - below[:-1])

    for code, frame in zip(prints.codes, prints.frames, strict=True):
        before, now = energies(768 * int(frame)), energies(768 * (int(frame) + 2))
        signs = [np.log(now[m] / now[m + 1]) > np.log(before[m] / before[m + 1]) for m in range(32)]
        assert code == sum(1 << m for m in range(32) if signs[m])


def test_what_is_saved_is_what_is_loaded(waveforms: list[np.ndarray], tmp_path: Path) -> None:
    prints = fingerprints_of(waveforms[:4]) | fingerprints_of(waveforms[2:])  # two in both
    path = tmp_path / "fingerprints.safetensors"
    assert load_fingerprints(path) is None
    save_fingerprints(prints, path)
    loaded = load_fingerprints(path)
    assert loaded is not None
    assert len(loaded) == 8
    for name in ("codes", "frames", "counts"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(prints, name))
    assert path.stat().st_size < 300 * 8
    save_fingerprints(Fingerprints(prints.codes, prints.frames, prints.counts[1:]), path)
    with pytest.raises(CheckpointError, match="copy the model again"):
        load_fingerprints(path)
    path.write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="copy the model again"):
        load_fingerprints(path)
