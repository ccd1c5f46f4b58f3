"""Sounds to try seqcap with: speech-like noise, and its files in any format."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float32]


def make_speech_like(duration_s: float = 2.0, rate_hz: int = 16000, seed: int = 0) -> Samples:
    """Noise of all frequencies that comes and goes four times a second, with pauses."""
    count = round(duration_s * rate_hz)
    noise = np.random.default_rng(seed).normal(size=count)
    swell = np.maximum(0, np.sin(2 * np.pi * 2 * np.arange(count) / rate_hz)) ** 2
    return (0.1 * noise * (swell + 0.001)).astype(np.float32)


def encode(
    samples: Samples, rate_hz: int = 16000, container: str = "WAV", subtype: str | None = None
) -> bytes:
    """The bytes of a sound file that libsndfile writes."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def encode_media(
    samples: Samples,
    rate_hz: int,
    container: str,
    codec: str,
    layout: str = "mono",
    bits_per_s: int | None = None,
) -> bytes:
    """The bytes of a sound file that FFmpeg's libraries write.

    Args:
        samples: Shape ``(sample,)`` or ``(sample, 2)``, at `rate_hz`.
        rate_hz: Sampling rate, which the codec must know.
        container: As FFmpeg calls it.
        codec: As FFmpeg calls it.
        layout: ``mono`` or ``stereo``.
        bits_per_s: The codec's own choice if None.
    """
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate_hz, layout=layout)
        context = stream.codec_context
        formats = [each.name for each in context.codec.audio_formats or ()]
        context.format = next((name for name in formats if name.startswith("s16")), formats[0])
        if bits_per_s is not None:
            context.bit_rate = bits_per_s
        elif codec == "wmav2":  # its own choice is refused
            context.bit_rate = 32000
        resampler = av.AudioResampler(context.format, layout, rate_hz)
        planes = np.atleast_2d(np.asarray(samples, np.float32).T)
        for start in range(0, planes.shape[1], 1024):
            part = np.ascontiguousarray(planes[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, "fltp", layout)
            frame.sample_rate = rate_hz
            frame.pts = start
            for converted in resampler.resample(frame):
                output.mux(stream.encode(converted))
        for converted in resampler.resample(None):
            output.mux(stream.encode(converted))
        output.mux(stream.encode(None))
    return file.getvalue()
