"""`seqcap evaluate`: how good a model is on labelled recordings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.extras import needs_extra
from seqcap.apps.lines import tell


def evaluate(
    model: Annotated[str, typer.Argument(help="Folder of a model; '-' is the shipped one.")],
    tables: Annotated[list[Path], typer.Argument(help="Corpus tables with the truth.")],
    folds: Annotated[
        str | None,
        typer.Option(help="A scheme or file of folds: only speakers of one part are asked."),
    ] = None,
    fold: Annotated[str, typer.Option(help="Which fold: its number from 0, or its name.")] = "0",
    part: Annotated[str, typer.Option(help="train, validation or test; with --folds.")] = "test",
    output: Annotated[
        Path | None, typer.Option(help="CSV of every utterance's probabilities.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Confusion matrices as .svg, .png or .pdf.")
    ] = None,
    unknown_speakers: Annotated[
        bool,
        typer.Option(
            "--unknown-speakers",
            help="A model that adapts to speakers hears each recording by itself.",
        ),
    ] = False,
    balanced_prior: Annotated[
        bool,
        typer.Option(
            "--balanced-prior",
            help="Each speaker shows all emotions about alike often: what the model answers too "
            "often about one is drawn back.",
        ),
    ] = False,
    json_format: Annotated[bool, typer.Option("--json", help="Scores as JSON.")] = False,
    card: Annotated[
        Path | None, typer.Option(help="Write the scores into this card, between its markers.")
    ] = None,
) -> None:
    """Score a model: WA, UA with interval, recalls, speakers, confusion, calibration.

    On another corpus than the model learnt from, the emotions that both have are compared; what
    is left out is said. Speakers whom the model has heard are scored apart; the figure is of
    the others, if there are any.

    Examples:
      seqcap evaluate - mine.csv

      seqcap evaluate runs/mine/model other.csv --output predictions.csv --figure confusion.svg

      seqcap evaluate runs/mine/model mine.csv --folds loso --fold 2 --part test
    """
    with needs_extra("train"):
        from seqcap.corpora.folds import choose_fold, rows_of_part
        from seqcap.corpora.speakers import speaker_key
        from seqcap.files import atomic_write
        from seqcap.recognition.recognizer import Recognizer
        from seqcap.reports.confusion_figure import check_figure_ending, write_confusion_figure
        from seqcap.scoring.balanced_prior import balance_prior
        from seqcap.scoring.evaluation import labelled_for, predict_table
        from seqcap.scoring.score_text import report, write_card
        from seqcap.scoring.seen_recordings import of_same_speakers, seen_recordings
        from seqcap.scoring.seen_speakers import heard_before
        from seqcap.training.run import read_tables, scores_by_corpus

    if figure is not None:
        check_figure_ending(figure)
    recognizer = Recognizer.from_pretrained(model)
    given = read_tables(tables)
    table, emotions = labelled_for(recognizer, given)
    _say_what_is_left_out(recognizer.emotions, emotions, len(given), len(table))
    if folds is not None:
        table = rows_of_part(table, choose_fold(table, folds, fold, False), part)
    if recognizer.is_speaker_adaptive and not unknown_speakers:
        tell("The model adapts to each speaker by all rows of theirs, labels aside.")
    unnamed = int((table["speaker"] == "").sum())
    if unnamed:
        tell(
            f"{unnamed} of {len(table)} rows have no speaker: nothing else is known of who speaks, "
            "nothing is evened out, and there is no interval. A column 'speaker' changes that."
        )
    named = heard_before(recognizer.checkpoint.provenance, table["speaker"])
    seen = seen_recordings(model, table, progress=True)
    if (seen & ~named).any():
        tell(
            f"The model was trained on {int(seen.sum())} of these {len(table)} recordings, as "
            "their sound shows, whatever their names: all rows of their speakers are scored apart."
        )
    known = named | of_same_speakers(seen, table["speaker"])
    if named.any():
        people = {speaker_key(speaker) for speaker in table["speaker"]} - {""}
        met = {speaker_key(speaker) for speaker in table["speaker"][named]}
        tell(
            f"The model has heard {len(met)} of these {len(people)} speakers, to learn from or to "
            "choose by: they are scored apart, for how good it is on others only others show. If "
            "they are other people, name them otherwise."
        )
    predictions = predict_table(
        recognizer, table, emotions, progress=True, know_speakers=not unknown_speakers
    )
    if balanced_prior:
        predictions = balance_prior(predictions, emotions)
    if output is not None:
        with atomic_write(output) as path:
            predictions.to_csv(path, index=False)
    asked = (part if folds else "given") + (", emotions evened" if balanced_prior else "")
    groups = {asked: ~known, f"{asked}, heard before": known}
    all_scores = {
        name: scores_by_corpus(predictions[rows], emotions)
        for name, rows in groups.items()
        if rows.any()
    }
    if figure is not None:
        write_confusion_figure(next(iter(all_scores.values())), emotions, figure)
    text = report(all_scores, emotions)
    if card is not None:
        write_card(card, text)
    typer.echo(json.dumps(all_scores, indent=1) if json_format else text)


def _say_what_is_left_out(
    known: Sequence[str], common: Sequence[str], row_count: int, kept_count: int
) -> None:
    if len(common) < len(known):
        others = ", ".join(emotion for emotion in known if emotion not in common)
        tell(
            f"The table has no {others}, which the model tells apart too: they are not answered, "
            "and the other probabilities are scaled to sum to one."
        )
    if kept_count < row_count:
        tell(
            f"{row_count - kept_count} of {row_count} rows are labelled otherwise than "
            f"{', '.join(common)}, or of a part that the model does not know, and are left out."
        )
