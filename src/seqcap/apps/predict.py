"""`seqcap predict`: recordings in, a table of emotions out."""

from pathlib import Path
from typing import Annotated

import typer

from seqcap.apps.options import AbstainOption, DeviceOption
from seqcap.apps.writers import Format, choose_format
from seqcap.recognition.model_folder import ADAPTIVE, SHIPPED, check_model_folder

PathsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="Recordings, folders, patterns, tables with a column 'file', or '-' for a recording "
        "on standard input.",
        show_default=False,
    ),
]
TimelineOption = Annotated[
    bool, typer.Option("--timeline", help="Answer for each 2 seconds as well.")
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help="table, csv, json, jsonl, parquet, textgrid, eaf, vtt, srt, audacity, svg, png or "
        "html.  [default: by the ending of --output, else table]",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where to write; a folder for formats with a file for each recording.",
    ),
]
ModelOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Folder of a model, or the name of an included one; repeat it to average several.  "
        "[default: the included model; with --adapt, 'adaptive']",
    ),
]

ChannelOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="mix: the mean of all; left, right or a number: that one; each: an answer for each.",
    ),
]
SegmentsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Turns of speakers, as RTTM or a CSV with start, end, speaker: an answer for each "
        "turn and each speaker.",
    ),
]
AdaptOption = Annotated[
    bool,
    typer.Option(
        "--adapt",
        help="Adapt to each speaker, without labels: by the column 'speaker' of a table or of "
        "--segments; recordings without one count as one speaker's. Speakers with one or two "
        "recordings are adapted to together.",
    ),
]
BalancedPriorOption = Annotated[
    bool,
    typer.Option(
        "--balanced-prior",
        help="Correct the class prior of each speaker: for speakers who show all emotions about "
        "equally often.",
    ),
]


def predict(
    paths: PathsArgument,
    timeline: TimelineOption = False,
    output_format: FormatOption = None,
    output: OutputOption = None,
    model: ModelOption = None,
    abstain_below: AbstainOption = 0.0,
    channel: ChannelOption = "mix",
    segments: SegmentsOption = None,
    adapt: AdaptOption = False,
    balanced_prior: BalancedPriorOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Recognise the emotions in recordings.

    A recording that cannot be read is named and skipped. Exit status: 0 if all were recognised, 1
    if some were, 2 if none. To resume an interrupted command with --output, run it again.

    Examples:
      seqcap predict speech.wav
      seqcap predict calls/ 'interviews/*.mp3' --output emotions.csv
      seqcap predict mine.csv --output emotions.parquet
      seqcap predict long.flac --timeline --output long.TextGrid
      seqcap predict meeting.wav --segments meeting.rttm --format csv
      curl -s URL | seqcap predict - --abstain-below 0.6
      seqcap predict speech.wav --model runs/first/model --model runs/second/model
      seqcap predict speech.wav --model - --model cnn
      seqcap predict anna/ --adapt
      seqcap predict meeting.wav --segments meeting.rttm --adapt
    """
    written_as = choose_format(output_format, output)
    default = ADAPTIVE if adapt else SHIPPED
    models = [check_model_folder(folder) for folder in model or (default,)]

    from seqcap.apps.prediction import Job, run_job
    from seqcap.apps.prediction_inputs import find_items
    from seqcap.apps.prediction_outputs import check_format

    check_format(written_as)
    found = find_items(paths, channel, segments, output)
    job = Job(
        found.items,
        models,
        device=device,
        timeline=timeline,
        abstain_below=abstain_below,
        adapt=adapt,
        balanced_prior=balanced_prior,
        turns=segments is not None,
        written_as=written_as,
        output=output,
    )
    status = run_job(job, found)
    if status:
        raise typer.Exit(status)
