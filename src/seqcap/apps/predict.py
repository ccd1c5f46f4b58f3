"""`seqcap predict`: recordings in, a table of emotions out."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from seqcap.apps.lines import tell
from seqcap.apps.writers import Format, choose_format, open_output, writer_for
from seqcap.recognition.model_folder import check_model_folder

_Each = TypeVar("_Each")
_MANY = 16  # recordings are worth a progress bar
_FEW = 8  # say little about what is answered too often


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH", help="Recordings, folders, patterns, or '-' for standard input."
        ),
    ],
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Answer for every 2 seconds as well.")
    ] = False,
    output_format: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="How to write; by default a table, or as FILE ends."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write, if not the screen."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="A model of your own, - for the shipped one; several are averaged.",
        ),
    ] = None,
    abstain_below: Annotated[
        float,
        typer.Option(metavar="P", min=0, max=1, help="Say 'uncertain' below this probability."),
    ] = 0.0,
    same_speaker: Annotated[
        bool,
        typer.Option(
            "--same-speaker", help="All are of one speaker, to whom a model that can adapts."
        ),
    ] = False,
    balanced_prior: Annotated[
        bool,
        typer.Option(
            "--balanced-prior",
            help="All are of one speaker who shows all emotions about alike often: what any model "
            "answers too often is drawn back.",
        ),
    ] = False,
    device: Annotated[
        str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
) -> None:
    """Recognise the emotions in recordings.

    WAV, FLAC, OGG (Vorbis, Opus) and MP3, any sampling rate. A recording that cannot be read is
    named and skipped. Exit status: 0 all were recognised, 1 some, 2 none.

    Examples:
      seqcap predict speech.wav
      seqcap predict calls/ 'interviews/*.mp3' --output emotions.csv
      seqcap predict long.flac --timeline --format json
      curl -s URL | seqcap predict - --abstain-below 0.6
      seqcap predict speech.wav --model runs/first/model --model runs/second/model
      seqcap predict anna/ --model runs/adapting/model --same-speaker
      seqcap predict actor/ --balanced-prior
    """
    from seqcap.apps.sources import find_recordings, passed_over_line, unreadable

    written_as = choose_format(output_format, output)
    models = [check_model_folder(folder) for folder in model or ()] or [check_model_folder()]
    found = find_recordings(paths)
    sources, problems = list(found.recordings.values()), found.problems
    # torch, which takes a second to import, waits until there is something to recognise.
    while sources and (problem := unreadable(sources[0])):
        problems.append(problem)
        del sources[0]
    for problem in problems:
        tell(problem)
    recognised, failed = 0, len(problems)
    with ExitStack() as stack:
        if sources:
            file = stack.enter_context(open_output(output))

            from seqcap.memory import keep_freed_memory
            from seqcap.recognition.combination import Combination
            from seqcap.recognition.recognizer import Answer, Failure, Recognizer

            many = len(sources) >= _MANY
            if many:
                keep_freed_memory()
            each = [Recognizer.from_pretrained(one, device, abstain_below) for one in models]
            recognizer = Combination(each, abstain_below) if len(each) > 1 else each[0]
            if balanced_prior and len(sources) < _FEW:
                tell(
                    f"--balanced-prior: {len(sources)} recordings tell little about a speaker; "
                    f"{_FEW} or more are expected"
                )
            answers: Iterator[Answer | Failure]
            if same_speaker or balanced_prior:
                reading = _with_bar(sources, "Reading", len(sources)) if many else sources
                answers = recognizer.recognize_speaker(
                    reading, adapt=same_speaker, balanced_prior=balanced_prior, timeline=timeline
                )
            else:
                answers = recognizer.recognize_many(sources, timeline=timeline)
            writer = writer_for(written_as, file, recognizer.emotions, timeline)
            if many and (output or written_as is Format.TABLE):
                answers = _with_bar(answers, "Recognising", len(sources))
            for answer in answers:
                if isinstance(answer, Failure):
                    failed += 1
                    tell(answer.reason)
                else:
                    recognised += 1
                    writer.write(answer)
            writer.close()
        if recognised + failed > 1 or found.passed_over:
            others = f"; {passed_over_line(found.passed_over)}" if found.passed_over else ""
            tell(f"{recognised:,} recognised, {failed:,} failed{others}")
        if not recognised:
            raise typer.Exit(2)  # before the output takes its name
    if failed:
        raise typer.Exit(1)


def _with_bar(each: Iterable[_Each], description: str, total: int | None = None) -> Iterator[_Each]:
    """Shows on a terminal how many recordings are done, and how long the rest will take."""
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(
        each,
        description=description,
        total=total,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
