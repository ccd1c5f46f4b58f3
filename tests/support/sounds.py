"""Sounds for tests: tones and speech-like noise, and their files in any format."""

import io

import numpy as np
import soundfile


def make_speech_like(duration_s=2.0, rate_hz=16000, seed=0):
    """Noise of all frequencies that comes and goes four times a second, with pauses."""
    count = round(duration_s * rate_hz)
    noise = np.random.default_rng(seed).normal(size=count)
    swell = np.maximum(0, np.sin(2 * np.pi * 2 * np.arange(count) / rate_hz)) ** 2
    return (0.1 * noise * (swell + 0.001)).astype(np.float32)


def encode(samples, rate_hz=16000, container="WAV", subtype=None):
    """The bytes of a sound file that libsndfile writes."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


def encode_media(samples, rate_hz, container, codec, layout="mono"):
    """The bytes of a sound file that FFmpeg's libraries write; samples (sample,) or (sample, 2)."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        context = stream.codec_context
        formats = [f.name for f in context.codec.audio_formats]
        context.format = next((name for name in formats if name.startswith("s16")), formats[0])
        if codec == "wmav2":
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
