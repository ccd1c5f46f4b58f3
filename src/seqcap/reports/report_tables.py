"""Tables II, III, VI and VII, results by speaker, and calibration."""

import numpy as np

from seqcap.corpora.description import count_speakers_by_emotions
from seqcap.reports import paper_values as paper
from seqcap.reports.entry_scores import confusions_of, speakers_of
from seqcap.reports.experiment_results import EntryResults, PlanResults
from seqcap.reports.experiment_runs import Run, actual_of, probabilities_of
from seqcap.reports.report_blocks import (
    NOTHING,
    Block,
    Figure,
    Table,
    Text,
    number,
    percent,
)
from seqcap.reports.report_figures import draw_confusions, draw_reliability
from seqcap.reports.report_overview import parameters_of
from seqcap.scoring.bootstrap import score_confusions
from seqcap.scoring.metrics import WHAT_SCORES_MEAN, calibration_error


def table2(plan: PlanResults) -> list[Block]:
    """Parameters of each system, and the paper's where it has them.

    Args:
        plan: With or without results.
    """
    rows, beside = [], plan.is_beside_paper or not plan.seeds
    for entry in plan.entries:
        if entry.of:
            continue
        counted = parameters_of(entry)
        if not entry.runs:
            counted = _count(entry.system, len(plan.emotions))
        theirs = (_whole(paper.TABLE_2.get(entry.system)),) if beside else ()
        rows.append((entry.label, _whole(counted), *theirs))
    counts = f"Trainable parameters for {len(plan.emotions)} emotions"
    paper_counts = f"; the paper's for {len(paper.EMOTIONS)}" if beside else ""
    header = ("system", "parameters", *(("paper, Table II",) if beside else ()))
    return [Text(f"{counts}{paper_counts}."), Table(header, tuple(rows))]


def _count(system: str, emotion_count: int) -> int:
    # Where nothing is trained, torch counts the parameters.
    import torch

    from seqcap.models.systems import SYSTEMS, CapsuleSettings, count_parameters, own_system

    make = SYSTEMS[system].build if system in SYSTEMS else own_system(system)
    with torch.device("meta"):  # shapes without numbers: 131 million parameters cost nothing
        return count_parameters(make(emotion_count, CapsuleSettings()))


def table3(plan: PlanResults) -> list[Block]:
    """Utterances by emotion, and by speaker where runs tell.

    Args:
        plan: With or without results.
    """
    counts, beside = plan.corpus_facts["emotions"], plan.is_beside_paper
    totals = [*plan.emotions, "all"]
    ours = [counts.get(emotion, 0) for emotion in plan.emotions]
    theirs = [paper.TABLE_3.get(emotion) for emotion in plan.emotions]
    columns = [[*ours, sum(counts.values())]]
    if beside:
        columns.append([*theirs, sum(paper.TABLE_3.values())])
    rows = [
        (emotion, *(_whole(column[place]) for column in columns))
        for place, emotion in enumerate(totals)
    ]
    header = ("emotion", "utterances", *(("paper, Table III (IEMOCAP)",) if beside else ()))
    blocks: list[Block] = [
        Text(f"Utterances of {plan.corpus_name} by emotion."),
        Table(header, tuple(rows)),
    ]
    tables = [
        part[["file", "start", "speaker", "emotion"]]
        for entry in plan.trained
        for run in entry.done
        for part in (run.validation, run.test)
    ]
    if tables:
        # All speakers of validation and test in some run; each utterance once.
        import pandas as pd

        once = pd.concat(tables).drop_duplicates(["file", "start"])
        by_speaker = count_speakers_by_emotions(once)
        blocks.append(Text("By speaker: all validation and test speakers of the finished runs."))
        blocks.append(
            Table(
                ("speaker", *map(str, by_speaker.columns)),
                tuple((str(name), *map(_whole, row)) for name, row in by_speaker.iterrows()),
            )
        )
    return blocks


def confusions(plan: PlanResults) -> list[Block]:
    """Confusion matrices of all entries as heat maps.

    Args:
        plan: With results.
    """
    matrices = {entry.label: _confusion(entry, plan) for entry in plan.done}
    return [
        Figure(
            f"{plan.grid}-confusions",
            draw_confusions(matrices, plan.emotions),
            "Rows: actual emotion, columns: predicted. Percent of the row, below it the number of "
            "test utterances of all runs. The diagonal is the recall.",
        )
    ]


def confusion_table(plan: PlanResults, system: str) -> list[Block]:
    """The confusion matrix of one system, beside the paper's (Tables VI and VII).

    Args:
        plan: With results.
        system: Name of the system, or label of its entry.
    """
    wanted = [entry for entry in plan.done if system in (entry.system, entry.label)]
    if not wanted:
        return [Text(f"No results of {system} yet.")]
    blocks: list[Block] = [
        Text(
            "Rows: actual emotion; columns: predicted. Percent of the row, in brackets the number "
            "of test utterances of all runs. The diagonal is the recall."
        )
    ]
    for entry in wanted:
        header = (f"{entry.label}: actual", *plan.emotions)
        rows = [  # shares of all, those without an answer too
            (emotion, *(_share(count, row.sum()) for count in row[:-1]))
            for emotion, row in zip(plan.emotions, _confusion(entry, plan), strict=True)
        ]
        blocks.append(Table(header, tuple(rows)))
        theirs = paper.CONFUSIONS.get(entry.system)
        if theirs and plan.is_beside_paper:
            title = f"paper, {paper.CONFUSION_TABLES[entry.system]}: actual"
            cells = [
                (emotion, *(f"{100 * share:.2f}" for share in row))
                for emotion, row in zip(paper.EMOTIONS, theirs, strict=True)
            ]
            blocks.append(Table((title, *paper.EMOTIONS), tuple(cells)))
    return blocks


def _confusion(entry: EntryResults, plan: PlanResults) -> np.ndarray:
    return confusions_of(entry.done, plan.emotions, speakers_of(entry.done)).sum(axis=0)


def speakers(plan: PlanResults) -> list[Block]:
    """WA and UA of every tested speaker, by entry."""
    names = speakers_of([run for entry in plan.done for run in entry.done])
    columns = {}
    for entry in plan.done:
        matrices = confusions_of(entry.done, plan.emotions, names)
        tested = matrices.sum(axis=(1, 2)) > 0
        columns[entry.label] = [
            _wa_and_ua(matrix) if there else NOTHING
            for matrix, there in zip(matrices, tested, strict=True)
        ]
    rows = [
        (name, *(column[place] for column in columns.values())) for place, name in enumerate(names)
    ]
    return [
        Text(f"{WHAT_SCORES_MEAN} WA / UA in percent, over all runs that test the speaker."),
        Table(("speaker", *columns), tuple(rows)),
    ]


def calibration(plan: PlanResults) -> list[Block]:
    """Expected calibration error before and after the temperature, and how reliable answers are."""
    rows = []
    for entry in plan.done:
        after = [_error(run, plan) for run in entry.done]
        before = [run.scores["test"]["all"]["ece_uncalibrated"] for run in entry.done if run.scores]
        rows.append(
            (
                entry.label,
                number(float(np.mean(before)), 3) if before else NOTHING,
                number(float(np.mean(after)), 3),
            )
        )
    return [
        Text(
            "ECE: expected calibration error, the mean distance between confidence and accuracy in "
            "10 bins of equal width; 0 is best. Means over the runs' test parts, before and after "
            "dividing logits by the temperature fitted on the validation speakers. Combinations "
            "average calibrated probabilities."
        ),
        Table(("system", "ECE before", "ECE after"), tuple(rows)),
        Figure(
            f"{plan.grid}-reliability",
            draw_reliability({entry.label: _pooled(entry, plan) for entry in plan.done}),
            "Accuracy by confidence, answered test utterances of all runs. Dashed: perfect "
            "calibration. The size of a point shows the number of answers.",
        ),
    ]


def _error(run: Run, plan: PlanResults) -> float:
    probabilities = probabilities_of(run.test, plan.emotions)
    return calibration_error(probabilities, actual_of(run.test, plan.emotions))


def _pooled(entry: EntryResults, plan: PlanResults) -> tuple[np.ndarray, np.ndarray]:
    probabilities = [probabilities_of(run.test, plan.emotions) for run in entry.done]
    actual = [actual_of(run.test, plan.emotions) for run in entry.done]
    return np.concatenate(probabilities), np.concatenate(actual)


def _wa_and_ua(matrix: np.ndarray) -> str:
    scores = score_confusions(matrix)
    return f"{percent(float(scores.wa))} / {percent(float(scores.ua))}"


def _share(count: int, of: int) -> str:
    return f"{percent(count / of)} ({count})" if of else NOTHING


def _whole(count: int | None) -> str:
    return NOTHING if count is None else f"{count:,}"
