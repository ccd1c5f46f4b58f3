"""`seqcap listen`: answers while you speak, in a terminal or as JSON lines."""

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcap.apps.extras import needs_extra
from seqcap.apps.options import AbstainOption, ModelOption
from seqcap.errors import AudioError, MissingExtraError, SettingsError
from seqcap.recognition.model_folder import check_model_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from seqcap.recognition.answers import Answer
    from seqcap.recognition.stream import Event

_BAR = 20  # characters


class ListenFormat(StrEnum):
    """How answers are shown."""

    TABLE = "table"
    JSONL = "jsonl"


class SampleFormat(StrEnum):
    """How raw samples lie in standard input, as ffmpeg names it."""

    S16LE = "s16le"
    S32LE = "s32le"
    F32LE = "f32le"


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="'microphone', or '-' for WAV or raw samples on standard input.",
    ),
]
OutputFormatOption = Annotated[
    ListenFormat,
    typer.Option("--format", "-f", metavar="FORMAT", help="table, or jsonl: a JSON object a line."),
]

HorizonOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.04, help="Length of sound that an answer is for.")
]
RunningOption = Annotated[
    bool,
    typer.Option(
        "--running",
        help="Answer for all speech so far instead; with '--model stream', or a model of your own "
        "that was trained for it.",
    ),
]
RefreshOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.01, help="Time from one answer to the next.")
]

RateOption = Annotated[
    int, typer.Option(metavar="HZ", help="Sampling rate of microphone and raw samples.")
]
ChannelsOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Number of channels of raw samples.")
]
SamplesOption = Annotated[
    SampleFormat,
    typer.Option("--samples", metavar="TYPE", help="Type of raw samples: s16le, s32le or f32le."),
]
MicrophoneOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of a microphone, or a part of it."),
]


def listen(
    source: SourceArgument = "microphone",
    output_format: OutputFormatOption = ListenFormat.TABLE,
    model: ModelOption = None,
    horizon: HorizonOption = 5.0,
    running: RunningOption = False,
    refresh: RefreshOption = 0.5,
    abstain_below: AbstainOption = 0.0,
    rate: RateOption = 16000,
    channels: ChannelsOption = 1,
    samples: SamplesOption = SampleFormat.S16LE,
    microphone: MicrophoneOption = None,
) -> None:
    """Recognise emotions in live sound.

    It stops at the end of the sound, or by Ctrl-C.

    Examples:
    seqcap listen

    seqcap listen --format jsonl --refresh 1

    seqcap listen --model stream --running

    ffmpeg -loglevel quiet -i URL -f wav - | seqcap listen -
    """
    check_model_folder(model)
    rate_hz, channel_count, blocks = (
        _from_standard_input(rate, channels, samples)
        if source == "-"
        else _from_microphone(source, rate, microphone)
    )
    from seqcap.recognition.recognizer import Recognizer

    stream = Recognizer.from_pretrained(model, abstain_below=abstain_below).stream(
        rate_hz,
        channel_count=channel_count,
        horizon_s=None if running else horizon,
        refresh_s=refresh,
        name="<stdin>" if source == "-" else "<microphone>",
    )
    show = _show_json if output_format is ListenFormat.JSONL else _Screen().show
    for block in blocks:
        for each in stream.push(block):
            show(each)
    for each in stream.finish():
        show(each)
    if stream.answer() is None:
        raise AudioError(f"{stream.name}: ended before 0.04 s of sound came; check what sends it")


def _from_standard_input(
    rate: int, channels: int, samples: SampleFormat
) -> tuple[float, int, Iterator["NDArray[Any]"]]:
    from seqcap.audio.pcm import SAMPLE_TYPES, PCMFormat, open_pcm, pcm_frames

    if sys.stdin.isatty():
        raise AudioError("-: standard input is a terminal; sound is expected: ffmpeg ... -f wav -")
    raw = PCMFormat(rate, channels, SAMPLE_TYPES[samples])
    kind, blocks = open_pcm(sys.stdin.buffer, raw, "<stdin>")
    return kind.rate_hz, kind.channel_count, pcm_frames(kind, blocks)


def _from_microphone(
    source: str, rate: int, microphone: str | None
) -> tuple[float, int, Iterator["NDArray[Any]"]]:
    if source != "microphone":
        raise SettingsError(
            f"{source}: live sound comes from the microphone or, by -, from standard input; "
            f"for a recording: seqcap predict {source}"
        )
    try:
        with needs_extra("listen"):
            import sounddevice
    except OSError as error:
        raise MissingExtraError(
            f"the microphone needs the library PortAudio ({error}); "
            "on Debian and Ubuntu: apt install libportaudio2"
        ) from error

    def record() -> Iterator["NDArray[Any]"]:
        with sounddevice.InputStream(
            rate, channels=1, dtype="float32", device=microphone
        ) as recording:
            while True:
                yield recording.read(max(1, rate // 20))[0]

    def named() -> Iterator["NDArray[Any]"]:
        try:
            yield from record()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise AudioError(
                f"the microphone cannot be used ({error}); see 'python -m sounddevice'"
            ) from error

    return rate, 1, named()


def event_row(each: "Answer | Event") -> dict[str, Any]:
    """Gives what a stream says as one object of JSON lines."""
    from seqcap.apps.writers import as_row
    from seqcap.recognition.stream import Event

    if not isinstance(each, Event):
        return as_row(each)
    emotion = {"emotion": each.emotion} if each.emotion else {}
    return {"event": each.kind, "at": each.at_s, **emotion}


def _show_json(each: "Answer | Event") -> None:
    typer.echo(json.dumps(event_row(each), ensure_ascii=False))
    sys.stdout.flush()


class _Screen:
    """Bars that move on a terminal; a line for each answer elsewhere."""

    def __init__(self) -> None:
        self._lines = 0
        self._warned: set[str] = set()

    def show(self, each: "Answer | Event") -> None:
        from seqcap.recognition.answers import NO_SPEECH
        from seqcap.recognition.stream import EMOTION, Event

        terminal = sys.stdout.isatty()
        if isinstance(each, Event):
            if each.kind != EMOTION:
                self._write([f"{each.at_s:8.2f} s  {each.kind}"])
                self._lines = 0
            return
        for warning in each.warnings:
            if warning.kind not in self._warned:  # once, not at each refresh
                self._warned.add(warning.kind)
                reason = warning.text.partition(": ")[2]
                self._write([f"{each.end:8.2f} s  warning: {reason}"])
                self._lines = 0
        head = f"{each.start:8.2f} to {each.end:.2f} s  {each.predicted}"
        if not terminal or each.predicted == NO_SPEECH:
            sure = "" if each.predicted == NO_SPEECH else f" {each.confidence:.2f}"
            self._write([f"{head}{sure}"])
            self._lines = int(terminal)
            return
        width = max(map(len, each.probabilities))
        bars = [
            f"  {emotion:{width}} {p:5.2f} {'█' * round(p * _BAR):{_BAR}}"
            for emotion, p in each.probabilities.items()
        ]
        self._write([head, *bars])
        self._lines = 1 + len(bars)

    def _write(self, lines: list[str]) -> None:
        if self._lines:
            sys.stdout.write(f"\x1b[{self._lines}A")  # go back over the bars before
        for line in lines:
            sys.stdout.write(f"\x1b[2K{line}\n" if sys.stdout.isatty() else f"{line}\n")
        sys.stdout.flush()
