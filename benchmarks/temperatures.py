"""Which temperature calibrates probabilities on other speakers?

Takes the systems that an experiment has trained on several folds. Each temperature is fitted on the
validation speakers of its fold and tried on those of every other fold, by several rules. Its mean
is geometric. No test part is read. Needs the extra `train`, and the runs' models:

    python benchmarks/temperatures.py emodb.csv --experiment results/emodb7
"""

import argparse
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from seqcap.corpora.speakers import speaker_key
from seqcap.errors import SeqcapError
from seqcap.recognition.recognizer import Recognizer
from seqcap.reports.comparison_matching import match_utterances
from seqcap.reports.experiment_results import read_plans
from seqcap.scoring.calibration import fit_temperature, most_likely_temperature
from seqcap.scoring.evaluation import labelled_for, load_rows
from seqcap.scoring.metrics import calibration_error, log_loss
from seqcap.training.batches import Utterance, WholeUtterances, by_length, collate
from seqcap.training.run import read_tables

Rule = Callable[[Tensor, Tensor, int], float]
RULES: dict[str, Rule] = {
    "none": lambda logits, labels, speakers: 1.0,
    "most likely": lambda logits, labels, speakers: most_likely_temperature(logits, labels),
    "with what is usual": fit_temperature,
}


def answers(recognizer: Recognizer, rows: pd.DataFrame, known: bool) -> tuple[Tensor, Tensor, int]:
    """Logits ``(branch, utterance, emotion)``, labels, and how many people spoke."""
    normalisation = recognizer.checkpoint.normalisation
    if not known:
        normalisation = normalisation.changed(speaker_mean_norm=0.0)
    labels = [recognizer.emotions.index(emotion) for emotion in rows["emotion"]]
    people = rows["speaker"].map(speaker_key)
    waveforms = load_rows(rows)
    utterances = [
        Utterance(waveform, label, "", speaker)
        for waveform, label, speaker in zip(waveforms, labels, people, strict=True)
    ]
    whole = WholeUtterances(utterances, normalisation)
    logits, truth = [], []
    for places in by_length(utterances, 16):
        batch = collate([whole[place] for place in places])
        output = recognizer.engine.run(batch.spectrograms.numpy(), batch.frame_counts.numpy())
        logits.append(torch.from_numpy(output.logits))
        truth.append(batch.labels)
    return torch.cat(logits, 1), torch.cat(truth), people.nunique()


def main() -> None:
    """Prints calibration error and log loss by rule, where speakers are known and where not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--experiment", type=Path, required=True, help="its folder")
    parser.add_argument("--grid", default="default", help="whose runs")
    parser.add_argument("--entry", default="CNN_GRU-SeqCap", help="which of its entries")
    arguments = parser.parse_args()
    found: dict[bool, list[tuple[Tensor, Tensor, int]]] = {}
    try:
        plans = [p for p in read_plans(arguments.experiment) if p.grid == arguments.grid]
        entries = [e for plan in plans for e in plan.entries if e.label == arguments.entry]
        runs = {run.fold: run for entry in entries for run in entry.done}
        folders = {
            fold: folder
            for fold, run in runs.items()
            if (folder := arguments.experiment / "runs" / run.name / "model").is_dir()
        }
        if len(folders) < 2:
            sys.exit(f"temperatures: {arguments.experiment}: models of two folds are expected")
        recognizers = [Recognizer.from_pretrained(folder, "cpu") for folder in folders.values()]
        table, _ = labelled_for(recognizers[0], read_tables(arguments.tables))
        for recognizer, fold in track(
            list(zip(recognizers, folders, strict=True)), "answering", console=Console(stderr=True)
        ):
            keys, wanted = match_utterances([table, runs[fold].validation])
            rows = table[keys.isin(set(wanted))].reset_index(drop=True)
            for known in (True, False) if recognizer.is_speaker_adaptive else (False,):
                found.setdefault(known, []).append(answers(recognizer, rows, known))
    except SeqcapError as error:
        sys.exit(f"temperatures: {error}")
    print("| speakers | temperature | mean | from, to | ECE | log loss |")
    print("|---|---|--:|---|--:|--:|")
    for known, of_runs in found.items():
        for name, rule in RULES.items():
            temperatures = [rule(*one) for one in of_runs]
            errors = []
            for (mine, _), (other, (logits, labels, _)) in itertools.product(
                enumerate(of_runs), enumerate(of_runs)
            ):
                if mine != other:
                    shares = (logits / temperatures[mine]).softmax(-1).mean(0).numpy()
                    errors.append(
                        (calibration_error(shares, labels), log_loss(shares, labels.numpy()))
                    )
            calibration, loss = np.mean(errors, axis=0)
            spread = f"{min(temperatures):.2f} to {max(temperatures):.2f}"
            who = "known" if known else "not known"
            mean = np.exp(np.mean(np.log(temperatures)))
            print(f"| {who} | {name} | {mean:.2f} | {spread} | {calibration:.3f} | {loss:.3f} |")


if __name__ == "__main__":
    main()
