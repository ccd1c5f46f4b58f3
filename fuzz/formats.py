"""One sound in many formats beside its PCM file: how far waveform and answer differ.

`python fuzz/formats.py samples/emodb/15b09Wb.wav` writes it in 24 formats by libsndfile and
FFmpeg's libraries (extra `formats`) and prints, for each, the largest difference of a sample, the
shift at which it is least, and the largest difference of a probability. Files made elsewhere from
the same sound, by a phone or by ffmpeg, can be named behind it: they are rows of their own.
"""

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr
from sounds import Samples, encode, encode_media

from seqcap import Recognizer
from seqcap.audio.waveform import SAMPLE_RATE_HZ, load_waveform
from seqcap.errors import AudioError, AudioWarning

LIBSNDFILE = (
    ("WAV", "PCM_24"), ("WAV", "ULAW"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"),
    ("CAF", "ALAC_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
)  # fmt: skip
# Container, codec, sampling rate, ending.
FFMPEG = (
    ("ipod", "aac", 44100, "m4a"), ("ipod", "alac", 16000, "m4a"), ("adts", "aac", 44100, "aac"),
    ("mp4", "aac", 48000, "mp4"), ("mov", "pcm_s16le", 16000, "mov"),
    ("webm", "libopus", 48000, "webm"), ("matroska", "flac", 16000, "mka"),
    ("asf", "wmav2", 44100, "wma"), ("amr", "libopencore_amrnb", 8000, "amr"),
    ("3gp", "libopencore_amrnb", 8000, "3gp"), ("ac3", "ac3", 48000, "ac3"),
    ("mp2", "mp2", 16000, "mp2"), ("wv", "wavpack", 16000, "wv"), ("flv", "aac", 44100, "flv"),
)  # fmt: skip
LOSSY = ("aac", "wmav2", "ac3", "libopus")
_REACH = 2000  # samples that encoders put in front, at most
_ENDS = 400  # samples at the ends that resampling changes


def encoded(samples: Samples) -> Iterator[tuple[str, bytes]]:
    """Gives the sound, 16 kHz, in each format."""
    for container, subtype in LIBSNDFILE:
        yield f"{container} {subtype}", encode(samples, SAMPLE_RATE_HZ, container, subtype)
    for container, codec, rate_hz, ending in FFMPEG:
        known = samples
        if rate_hz != SAMPLE_RATE_HZ:
            known = soxr.resample(samples, SAMPLE_RATE_HZ, rate_hz)
        bits_per_s = 96000 if codec in LOSSY else None
        content = encode_media(known, rate_hz, container, codec, bits_per_s=bits_per_s)
        yield f".{ending} {codec}", content


def best_shift(waveform: Samples, reference: Samples) -> tuple[int, float]:
    """The shift at which two waveforms fit best, in samples, and the largest difference there."""
    size = 1 << (len(waveform) + len(reference)).bit_length()
    product = np.fft.rfft(waveform, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(product, size)
    shifts = np.arange(-_REACH, _REACH)
    shift = int(shifts[np.argmax(correlation[shifts])])
    theirs, ours = waveform[max(0, shift) :], reference[max(0, -shift) :]
    count = min(len(theirs), len(ours)) - _ENDS
    return shift, float(np.abs(theirs[:count] - ours[:count]).max())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("others", type=Path, nargs="*", help="the same sound in other files")
    options = parser.parse_args()
    reference = load_waveform(options.recording)
    recognizer = Recognizer.from_pretrained(device="cpu")
    expected = recognizer.recognize(options.recording, timeline=False)
    sources: list[tuple[str, bytes | Path]] = [*encoded(reference)]
    sources += [(path.name, path) for path in options.others]
    print("| format | length / s | shift | largest sample | largest probability | answer |")
    print("|---|--:|--:|--:|--:|---|")
    warnings.simplefilter("ignore", AudioWarning)
    for name, source in sources:
        try:
            waveform = load_waveform(source)
            answer = recognizer.recognize(source, timeline=False)
        except AudioError as error:
            print(f"| {name} | {error} |")
            continue
        shift, difference = best_shift(waveform, reference)
        farthest = max(
            abs(answer.probabilities[emotion] - p) for emotion, p in expected.probabilities.items()
        )
        print(
            f"| {name} | {len(waveform) / SAMPLE_RATE_HZ:.3f} | {shift} | {difference:.4f} |"
            f" {farthest:.3f} | {answer.predicted} |"
        )
    print(f"{len(sources)} files; {options.recording} lasts {expected.end:.3f} s")


if __name__ == "__main__":
    main()
