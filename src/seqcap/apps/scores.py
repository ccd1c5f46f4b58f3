"""Scores on the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from seqcap.apps.terminal import print_table


def print_scores(
    all_scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    emotions: Sequence[str],
    by_fold: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] | None = None,
) -> None:
    """Prints scores as tables, and below them what their columns mean.

    Args:
        all_scores: Part, then corpus or "all", then what `scores` gives.
        emotions: In the order of the confusion matrices.
        by_fold: Scores of each fold by its name, if there are several.
    """
    from seqcap.scoring.metrics import WHAT_SCORES_MEAN
    from seqcap.scoring.score_text import WHAT_ELSE_SCORES_MEAN, fold_table, score_tables

    tables = score_tables(all_scores, emotions)
    if by_fold is not None:
        tables.append(fold_table(by_fold))
    for table in tables:
        print_table(table.header, table.rows, left=table.left, title=table.title)
        typer.echo()
    for text in (WHAT_SCORES_MEAN, WHAT_ELSE_SCORES_MEAN):
        print_table(("",), ((text,),))
