"""`seqcap evaluate`: how good a model is on labelled recordings."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcap.apps.extras import needs_extra
from seqcap.apps.lines import tell
from seqcap.apps.options import (
    DeviceOption,
    FoldsOption,
    ScreenFormat,
    ScreenFormatOption,
    TablesArgument,
)
from seqcap.apps.scores import print_scores
from seqcap.errors import gather_warnings

if TYPE_CHECKING:  # the command imports pandas and torch only when it runs
    import pandas as pd

    from seqcap.recognition.recognizer import Recognizer

ModelArgument = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Folder of a model; '-' is the included one."),
]
FoldOption = Annotated[str, typer.Option(metavar="FOLD", help="Its number from 0, or its name.")]
PartOption = Annotated[
    str, typer.Option(metavar="PART", help="train, validation or test; with --folds.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="CSV with the probabilities of each row."),
]
FigureOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Confusion matrices, .svg, .png or .pdf.")
]
UnknownSpeakersOption = Annotated[
    bool,
    typer.Option("--unknown-speakers", help="Do not adapt to speakers, even if the model can."),
]
BalancedPriorOption = Annotated[
    bool,
    typer.Option(
        "--balanced-prior",
        help="Correct the class prior of each speaker: for speakers who show all emotions about "
        "equally often.",
    ),
]
CardOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Model card to write the scores into.")
]


def evaluate(
    model: ModelArgument,
    tables: TablesArgument,
    folds: FoldsOption = None,
    fold: FoldOption = "0",
    part: PartOption = "test",
    output: OutputOption = None,
    output_format: ScreenFormatOption = ScreenFormat.TABLE,
    figure: FigureOption = None,
    unknown_speakers: UnknownSpeakersOption = False,
    balanced_prior: BalancedPriorOption = False,
    card: CardOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Score a model on labelled recordings.

    Prints accuracy (WA), unweighted average recall (UA) with its interval, recall by emotion,
    confusion matrices, speakers and calibration. Only emotions that both the model and the table
    know are compared. Speakers that the model was trained on are scored separately.

    Examples:
      seqcap evaluate - mine.csv
      seqcap evaluate runs/mine/model other.csv -o predictions.csv --figure confusion.svg
      seqcap evaluate runs/mine/model mine.csv --folds loso --fold 2
    """
    with needs_extra("train"):
        from seqcap.corpora.folds import choose_fold, rows_of_part
        from seqcap.recognition.recognizer import Recognizer
        from seqcap.reports.confusion_figure import check_figure_ending, write_confusion_figure
        from seqcap.scoring.evaluation import labelled_for
        from seqcap.scoring.score_text import report, write_card
        from seqcap.training.run import read_tables

    if figure is not None:
        check_figure_ending(figure)
    recognizer = Recognizer.from_pretrained(model, device)
    given = read_tables(tables)
    table, emotions = labelled_for(recognizer, given)
    _tell_what_is_left_out(recognizer.emotions, emotions, len(given), len(table))
    if folds is not None:
        table = rows_of_part(table, choose_fold(table, folds, fold, False), part)
    seen = _seen_in_training(model, recognizer, table)
    predictions = _predict(recognizer, table, emotions, not unknown_speakers, balanced_prior)
    if output is not None:
        _write(predictions, output)
    title = (part if folds else "given") + (", balanced prior" if balanced_prior else "")
    all_scores = _score(predictions, seen, emotions, title)
    if figure is not None:
        write_confusion_figure(next(iter(all_scores.values())), emotions, figure)
    if card is not None:
        write_card(card, report(all_scores, emotions))
    if output_format is ScreenFormat.JSON:
        typer.echo(json.dumps(all_scores, indent=1))
    else:
        print_scores(all_scores, emotions)


def _predict(
    recognizer: "Recognizer",
    table: "pd.DataFrame",
    emotions: Sequence[str],
    know_speakers: bool,
    balanced_prior: bool,
) -> "pd.DataFrame":
    from seqcap.scoring.balanced_prior import balance_prior
    from seqcap.scoring.evaluation import predict_table

    if recognizer.is_speaker_adaptive and know_speakers:
        tell(
            "The model adapts to each speaker, by all rows of the speaker, without labels; to "
            "speakers with one or two rows together."
        )
    unnamed = int((table["speaker"] == "").sum())
    if unnamed:
        tell(
            f"{unnamed} of {len(table)} rows have no speaker: there is no adaptation, no prior "
            "correction and no interval for them. Add a column 'speaker'."
        )
    with gather_warnings():
        predictions = predict_table(
            recognizer, table, emotions, progress=True, know_speakers=know_speakers
        )
    return balance_prior(predictions, emotions) if balanced_prior else predictions


def _seen_in_training(
    model: str, recognizer: "Recognizer", table: "pd.DataFrame"
) -> "pd.Series[bool]":
    """Rows of speakers that the model was trained on, by their names or by the sound."""
    from seqcap.corpora.speakers import speaker_key
    from seqcap.scoring.seen_recordings import of_same_speakers, seen_recordings
    from seqcap.scoring.seen_speakers import is_seen

    named = is_seen(recognizer.checkpoint.provenance, table["speaker"])
    if named.any():
        speakers = {speaker_key(speaker) for speaker in table["speaker"]} - {""}
        known = {speaker_key(speaker) for speaker in table["speaker"][named]}
        tell(
            f"the model was trained or validated on {len(known)} of these {len(speakers)} "
            "speakers: they are scored separately, since only unseen speakers measure "
            "generalisation. If the names coincide by chance, rename them."
        )
    with gather_warnings():
        found = seen_recordings(model, table, progress=True)
    if (found & ~named).any():
        tell(
            f"The model was trained on {int(found.sum())} of these {len(table)} recordings, as "
            "their sound shows: all rows of their speakers are scored separately."
        )
    return named | of_same_speakers(found, table["speaker"])


def _score(
    predictions: "pd.DataFrame", seen: "pd.Series[bool]", emotions: Sequence[str], title: str
) -> Mapping[str, Mapping[str, Any]]:
    """Scores of unseen speakers, and separately of those that the model was trained on."""
    from seqcap.training.run import scores_by_corpus

    groups = {title: ~seen, f"{title}, seen in training": seen}
    return {
        name: scores_by_corpus(predictions[rows], emotions)
        for name, rows in groups.items()
        if rows.any()
    }


def _write(predictions: "pd.DataFrame", output: Path) -> None:
    from seqcap.files import atomic_write

    with atomic_write(output) as path:
        predictions.to_csv(path, index=False)


def _tell_what_is_left_out(
    known: Sequence[str], common: Sequence[str], row_count: int, kept_count: int
) -> None:
    if len(common) < len(known):
        others = ", ".join(emotion for emotion in known if emotion not in common)
        tell(
            f"The table has no {others}, which the model knows: they are not answered, and the "
            "other probabilities are scaled to sum to one."
        )
    if kept_count < row_count:
        tell(
            f"{row_count - kept_count} of {row_count} rows are left out: they have labels other "
            f"than {', '.join(common)}, or belong to a part that the model does not know."
        )
