"""What does an answer about all speech so far cost, after minutes of speech?

    python benchmarks/running_answer.py [--minutes 40] [--model stream]

Pushes the samples again and again, and prints the time for a second of sound and for one answer,
beside the answer of the default model about the last 5 s.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import soundfile

from seqcap.recognition.recognizer import Recognizer

SAMPLES = Path(__file__).parents[1] / "samples" / "emodb"
ASKED = (1, 2, 5, 10, 20, 40, 60)  # minutes


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--model", default="stream")
    options = parser.parse_args()
    sounds = [soundfile.read(path, dtype="float32")[0] for path in sorted(SAMPLES.glob("*.wav"))]
    speech = np.concatenate(sounds)
    running = Recognizer.from_pretrained(options.model).stream(horizon_s=None, refresh_s=1e6)
    recent = Recognizer.from_pretrained().stream(horizon_s=5.0, refresh_s=1e6)
    recent.push(speech)
    recent.answer()
    print("| speech so far, s | a second of sound, ms | running answer, ms | of the last 5 s, ms |")
    print("|--:|--:|--:|--:|")
    pushed, left = 0, [minutes for minutes in ASKED if minutes <= options.minutes]
    while left:
        began_s = time.perf_counter()
        running.push(speech)
        push_ms = 1000 * (time.perf_counter() - began_s) / (len(speech) / 16000)
        pushed += len(speech)
        if pushed >= left[0] * 60 * 16000:
            left.pop(0)
            times_ms = []
            for stream in (running, recent):
                began_s = time.perf_counter()
                stream.answer()
                times_ms.append(1000 * (time.perf_counter() - began_s))
            print(f"| {pushed // 16000} | {push_ms:.1f} | {times_ms[0]:.1f} | {times_ms[1]:.1f} |")


if __name__ == "__main__":
    main()
