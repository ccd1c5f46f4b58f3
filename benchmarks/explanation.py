"""How faithful are explanations? A deletion test.

    python benchmarks/explanation.py [FILE ...] [--limit 40] [--csv deletion.csv]
    python benchmarks/explanation.py --table emodb.csv --folds development.json

Parts of a recording are removed in steps of a tenth, in the order of the explanation. The
probability of the first answer is recorded on the way. The smaller the area under that curve, the
more faithful the explanation. Removed means: replaced by the recording's own mean spectrum. By
*time*, segments of 0.1 s are ranked; by *patch*, 0.1 s x 320 Hz. Each explanation is paired with
random order (the mean of 10 draws) and with energy (the loudest first), on the same recordings;
intervals hold 95 % of 2,000 draws of recordings. With `--table` the recordings of the fold's test
speakers are taken, those with emotions that the model knows; without it and without FILE, the
samples. The included model was not trained on the speakers of either.
"""

import argparse
import csv
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from seqcap.audio.spectrogram import FloatArray
from seqcap.corpora.fold import part_of
from seqcap.corpora.folds import choose_fold
from seqcap.corpora.table import read_table
from seqcap.recognition.explanation import Explanation
from seqcap.recognition.recognizer import Recognizer
from seqcap.recognition.torch_engine import with_network
from seqcap.scoring.evaluation import labelled_for

SEGMENT_FRAMES, PATCH_BINS = 10, 32
SHARES = np.linspace(0, 1, 11)
RANDOM_DRAWS = 10
SAMPLES = Path(__file__).parents[1] / "samples" / "emodb"
Scores = dict[str, dict[str, float]]  # by unit and account


def over_segments(values: FloatArray) -> FloatArray:
    """Sums ``(frame, bin)`` over patches, ``(segment, band)``; the rest joins the last segment."""
    starts = np.arange(max(1, len(values) // SEGMENT_FRAMES)) * SEGMENT_FRAMES
    bands = np.arange(values.shape[1] // PATCH_BINS) * PATCH_BINS
    sums = np.add.reduceat(np.add.reduceat(values, starts, 0), bands, 1)
    return sums.astype(np.float32)


def of_windows(explanation: Explanation, values: FloatArray) -> FloatArray:
    """Gives each segment the mean of the windows over it: ``(window,)`` to ``(segment,)``."""
    frames = np.zeros(len(explanation.spectrogram))
    counts = np.zeros(len(explanation.spectrogram))
    for (first, behind), value in zip(explanation.window_frames, values, strict=True):
        frames[first:behind] += value / (behind - first)
        counts[first:behind] += 1
    return over_segments(np.tile((frames / np.maximum(counts, 1))[:, None], (1, 512))).sum(1)


def accounts(explanation: Explanation, emotion: int) -> dict[str, dict[str, FloatArray]]:
    """How much each account gives to each segment and each patch, by unit and account."""
    seen = explanation.spectrogram
    energy = over_segments(seen)  # log magnitudes, bin by bin relative to the training part
    maps = {
        "integrated gradients": over_segments(explanation.integrated),
        "gradient x input": over_segments(explanation.gradient * seen),
        "gradient, absolute": over_segments(np.abs(explanation.gradient)),
        "energy": energy,
    }
    by_time = {name: values.sum(1) for name, values in maps.items()}
    if len(explanation.evidence):
        couplings = explanation.couplings[:, emotion]
        by_time["capsules, through the head"] = of_windows(
            explanation, explanation.evidence[:, emotion]
        )
        by_time["couplings alone"] = of_windows(explanation, couplings)
    return {"time": by_time, "patch": maps}


def area(
    order: FloatArray, spectrogram: FloatArray, answer: Callable[[FloatArray], FloatArray]
) -> float:
    """The mean probability while what ranks first goes first.

    Args:
        order: Values of segments ``(segment,)`` or patches ``(segment, band)``.
        spectrogram: Normalised, ``(frame, bin)``.
        answer: Gives the probability for a batch ``(batch, frame, bin)``.
    """
    grid = order[:, None] if order.ndim == 1 else order
    ranks = np.empty(grid.size, int)
    ranks[np.argsort(-grid.ravel(), kind="stable")] = np.arange(grid.size)
    segment = np.minimum(np.arange(len(spectrogram)) // SEGMENT_FRAMES, len(grid) - 1)
    band = np.arange(spectrogram.shape[1]) * grid.shape[1] // spectrogram.shape[1]
    rank_of_point = ranks.reshape(grid.shape)[segment][:, band]
    mean = spectrogram.mean(0)
    batch = np.stack(
        [np.where(rank_of_point < round(share * grid.size), mean, spectrogram) for share in SHARES]
    )
    return float(np.trapezoid(answer(batch.astype(np.float32)), SHARES))


def scores_of(recognizer: Recognizer, path: str) -> Scores:
    """Areas of every account for one recording; its name seeds the random orders."""
    generator = np.random.default_rng(zlib.crc32(Path(path).name.encode()))
    explanation = recognizer.explain(path)
    emotion = recognizer.emotions.index(explanation.emotion)
    checkpoint = with_network(recognizer.checkpoint)
    system, temperature = checkpoint.system, checkpoint.temperature

    @torch.inference_mode()
    def answer(batch: FloatArray) -> FloatArray:
        counts = torch.full((len(batch),), batch.shape[1])
        logits = system(torch.from_numpy(batch), counts) / temperature
        found: FloatArray = system.probabilities(logits)[:, emotion].numpy()
        return found

    scores: Scores = {}
    for unit, orders in accounts(explanation, emotion).items():
        scores[unit] = {
            name: area(order, explanation.spectrogram, answer) for name, order in orders.items()
        }
        shape = orders["energy"].shape
        draws = [generator.random(shape).astype(np.float32) for _ in range(RANDOM_DRAWS)]
        scores[unit]["random"] = float(
            np.mean([area(draw, explanation.spectrogram, answer) for draw in draws])
        )
    return scores


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % of the means of 2,000 draws of recordings."""
    generator = np.random.default_rng(0)
    chosen = generator.integers(0, len(differences), (2000, len(differences)))
    low, high = np.percentile(differences[chosen].mean(1), [2.5, 97.5])
    return float(low), float(high)


def tell(all_scores: list[Scores]) -> None:
    """Prints a table: mean area, and what it is less than random and than energy."""
    print(f"{len(all_scores)} recordings; area under the curve, less is truer")
    for unit in all_scores[0]:
        print(f"\nby {unit:24} area   minus random             minus energy")
        columns = {
            name: np.array([scores[unit][name] for scores in all_scores])
            for name in all_scores[0][unit]
        }
        for name, values in sorted(columns.items(), key=lambda each: each[1].mean()):
            line = f"{name:27} {values.mean():.3f}"
            for peer in ("random", "energy"):
                if name != peer:
                    differences = values - columns[peer]
                    low, high = interval(differences)
                    line += f"  {differences.mean():+.3f} ({low:+.3f} to {high:+.3f})"
                else:
                    line += " " * 26
            print(line)


def files_of_test_speakers(recognizer: Recognizer, table: Path, folds: str) -> list[str]:
    """Recordings of a corpus table whose speakers test in the first fold."""
    labelled, _ = labelled_for(recognizer, read_table(table))
    fold = choose_fold(labelled, folds, "0", allow_shared_speakers=False)
    return sorted(set(labelled["file"][part_of(labelled, fold) == "test"]))


def main() -> None:
    """Explains recordings, deletes, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("files", nargs="*", help="recordings of speakers that did not train")
    parser.add_argument("--table", type=Path, help="corpus table; needs --folds")
    parser.add_argument("--folds", help="file of folds whose test speakers are taken")
    parser.add_argument("--model", help="a model; the shipped one by default")
    parser.add_argument("--limit", type=int, help="no more recordings than this, evenly chosen")
    parser.add_argument("--csv", type=Path, help="where to write every area")
    options = parser.parse_args()
    recognizer = Recognizer.from_pretrained(options.model, device="cpu")
    files = options.files or sorted(map(str, SAMPLES.glob("*.wav")))
    if options.table:
        files = files_of_test_speakers(recognizer, options.table, options.folds)
    if options.limit and len(files) > options.limit:
        files = [files[i] for i in np.linspace(0, len(files) - 1, options.limit).astype(int)]
    all_scores = [scores_of(recognizer, path) for path in files]
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "unit", "account", "area"])
            rows.writerows(
                [Path(path).name, unit, name, f"{value:.6f}"]
                for path, scores in zip(files, all_scores, strict=True)
                for unit, found in scores.items()
                for name, value in found.items()
            )
    tell(all_scores)


if __name__ == "__main__":
    main()
