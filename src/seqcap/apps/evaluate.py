"""`seqcap evaluate`: how good a model is on labelled recordings."""

import json
from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.extras import needs_extra


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
    json_format: Annotated[bool, typer.Option("--json", help="Scores as JSON.")] = False,
    card: Annotated[
        Path | None, typer.Option(help="Write the scores into this card, between its markers.")
    ] = None,
) -> None:
    """Score a model: WA, UA, recalls, confusion and calibration, per corpus and overall.

    Examples:
      seqcap evaluate - emodb.csv

      seqcap evaluate runs/mine/model mine.csv --folds loso --fold 2 --part test
    """
    with needs_extra("train"):
        from seqcap.experiments.evaluation import labelled_for, predict_table, report, write_card
        from seqcap.experiments.runs import choose_fold, read_tables, rows_of_part, scores_by_corpus
        from seqcap.recognition.recognizer import Recognizer

    recognizer = Recognizer.from_pretrained(None if model == "-" else model)
    table = labelled_for(recognizer, read_tables(tables))
    if folds is not None:
        table = rows_of_part(table, choose_fold(table, folds, fold, False), part)
    predictions = predict_table(recognizer, table)
    if output is not None:
        predictions.to_csv(output, index=False)
    all_scores = {part if folds else "given": scores_by_corpus(predictions, recognizer.emotions)}
    text = report(all_scores, recognizer.emotions)
    if card is not None:
        write_card(card, text)
    typer.echo(json.dumps(all_scores, indent=1) if json_format else text)
