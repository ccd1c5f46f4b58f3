"""`seqcap explain`: why an answer came out, as one picture."""

from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.extras import needs_extra
from seqcap.apps.lines import tell
from seqcap.apps.options import ModelOption
from seqcap.recognition.model_folder import check_model_folder


def explain(
    recording: Annotated[str, typer.Argument(metavar="FILE", help="A recording of up to 60 s.")],
    figure: Annotated[
        Path, typer.Option(metavar="FILE", help="Figure to write: .svg, .png or .html.")
    ],
    model: ModelOption = None,
    emotion: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Emotion to explain.  [default: the most probable]"),
    ] = None,
    start: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Start of the part to explain.")
    ] = 0.0,
    end: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="End of that part.")
    ] = None,
) -> None:
    """Draw which parts of the spectrogram an answer comes from.

    Examples:
    seqcap explain speech.wav --figure why.svg

    seqcap explain speech.wav --figure why.html --emotion anger
    """
    with needs_extra("train"):
        from seqcap.recognition.recognizer import Recognizer
        from seqcap.reports.explanation_figure import (
            check_explanation_ending,
            write_explanation_figure,
        )

        check_explanation_ending(figure)
        recognizer = Recognizer.from_pretrained(check_model_folder(model))
        explanation = recognizer.explain(recording, emotion=emotion, start_s=start, end_s=end)
        write_explanation_figure(explanation, figure)
    answer = explanation.answer
    tell(f"{answer.file}: {answer.predicted} {answer.confidence:.2f}, explained in {figure}")
