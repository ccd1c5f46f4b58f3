"""The work behind `seqcap predict`: recognises items and writes their answers as they come."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcap import __version__
from seqcap.apps.items import Item
from seqcap.apps.journal import Journal, describe_job
from seqcap.apps.lines import tell
from seqcap.apps.prediction_inputs import Inputs
from seqcap.apps.prediction_outputs import (
    answers_with_columns,
    lines_of_columns,
    stream_writer,
    write_answers,
)
from seqcap.apps.prediction_speakers import adaptation_lines, by_speaker, recognize_by_speaker
from seqcap.apps.progress import progress_of
from seqcap.apps.sources import passed_over_line, unreadable
from seqcap.apps.writers import BY_RECORDING, Format, is_replaced, open_output
from seqcap.audio.checks import warn_of
from seqcap.errors import gather_warnings
from seqcap.recognition.answers import Answer, Failure

if TYPE_CHECKING:  # torch, which takes a second to import, waits until it is needed
    from seqcap.recognition.combination import Combination
    from seqcap.recognition.recognizer import Recognizer

_MANY = 16  # recordings are worth a progress bar
_FEW = 8  # tell little about a speaker


@dataclass(frozen=True)
class Job:
    """One call of `seqcap predict`.

    Attributes:
        items: What is recognised.
        models: Folders; the probabilities of several are averaged.
        device: As `Recognizer` takes it.
        timeline: Also answer for each 2-s piece.
        abstain_below: Answers less sure than this are "uncertain".
        adapt: Adapt to each speaker.
        balanced_prior: Correct the class prior of each speaker.
        turns: Items are turns: each speaker gets an answer, too.
        written_as: The format.
        output: A file, a folder or a device; standard output if None.
    """

    items: Sequence[Item]
    models: Sequence[Path]
    device: str
    timeline: bool
    abstain_below: float
    adapt: bool
    balanced_prior: bool
    turns: bool
    written_as: Format
    output: Path | None

    @property
    def is_by_speaker(self) -> bool:
        """Whether each answer depends on all items of its speaker."""
        return self.adapt or self.balanced_prior

    @property
    def needs_file(self) -> bool:
        """Whether the format cannot be written row by row."""
        return self.written_as in (Format.PARQUET, Format.HTML, *BY_RECORDING)

    @property
    def writes_to_a_terminal(self) -> bool:
        """Whether rows themselves show the progress."""
        return self.output is None and sys.stdout.isatty()

    def recognizer(self) -> "Recognizer | Combination":
        """Loads the models."""
        from seqcap.memory import keep_freed_memory
        from seqcap.recognition.combination import Combination
        from seqcap.recognition.recognizer import Recognizer

        if len(self.items) >= _MANY:
            keep_freed_memory()
        each = [
            Recognizer.from_pretrained(one, self.device, self.abstain_below) for one in self.models
        ]
        model = Combination(each, self.abstain_below) if len(each) > 1 else each[0]
        if self.adapt:  # before anything is written
            model.check_adaptive()
        return model

    def options(self) -> dict[str, Any]:
        """What changes answers, beside items and models."""
        return {
            "version": __version__,
            "timeline": self.timeline,
            "abstain_below": self.abstain_below,
            "adapt": self.adapt,
            "balanced_prior": self.balanced_prior,
        }


def run_job(job: Job, inputs: Inputs) -> int:
    """Recognises, writes and tells what came of it.

    Returns:
        The exit status: 0 if all were recognised, 1 if some were, 2 if none.

    Raises:
        SettingsError: The output cannot be written, or belongs to another job.
    """
    for problem in inputs.problems:
        tell(problem)
    counts = _Counts(failed=len(inputs.problems))
    early = _unreadable_ones(job.items)
    if len(early) == len(job.items):
        for failure in early:
            counts.add(failure)
    elif job.output is not None and (job.needs_file or is_replaced(job.output)):
        _to_file(job, job.output, early, counts)
    else:
        _to_stream(job, early, counts)
    if counts.recognised + counts.failed > 1 or inputs.passed_over:
        others = f"; {passed_over_line(inputs.passed_over)}" if inputs.passed_over else ""
        tell(f"{counts.recognised:,} recognised, {counts.failed:,} failed{others}")
    if not counts.recognised:
        return 2
    return 1 if counts.failed else 0


@dataclass
class _Counts:
    recognised: int = 0
    failed: int = 0

    def add(self, result: Answer | Failure) -> None:
        """Counts a result, and tells of a failure."""
        if isinstance(result, Answer):
            self.recognised += 1
        else:
            self.failed += 1
            tell(result.reason)


def _unreadable_ones(items: Sequence[Item]) -> list[Failure]:
    """Failures of the first items, found without torch; up to the first that can be read."""
    failures: list[Failure] = []
    for item in items:
        reason = unreadable(item.segment)
        if reason is None:
            break
        failures.append(Failure(item.name, reason))
    return failures


def _to_stream(job: Job, early: Sequence[Failure], counts: _Counts) -> None:
    """Writes rows to the screen, a pipe or a device as they come."""
    with open_output(job.output) as file:
        recognizer = job.recognizer()
        _tell_columns(job, recognizer.emotions)
        writer = stream_writer(job, file, recognizer.emotions)
        groups = _results(job, recognizer, early, counts)
        results = (result for group in groups for result in group)
        try:
            for columns, answer in answers_with_columns(job, recognizer.emotions, results):
                writer.write(answer, columns)
        except KeyboardInterrupt:
            done = counts.recognised + counts.failed
            tell(
                f"interrupted after {done:,} of {len(job.items):,} recordings; with --output FILE "
                "the same command could resume"
            )
            raise
        writer.close()


def _to_file(job: Job, output: Path, early: Sequence[Failure], counts: _Counts) -> None:
    """Keeps results in a journal as they come; writes the output when all are there."""
    journal = Journal(output, describe_job(job.items, job.models, job.options()))
    keep = True
    try:
        if job.is_by_speaker and 0 < journal.done < len(job.items):
            tell("each answer depends on all recordings of its speaker: starts from the first one")
            journal.clear()
        if journal.done:
            tell(f"resumed after {journal.done:,} of {len(job.items):,} recordings")
        for result in journal.results():
            counts.add(result)
        recognizer = job.recognizer()
        _tell_columns(job, recognizer.emotions)
        for group in _results(job, recognizer, early, counts, journal.done):
            journal.append(group)
        if counts.recognised:
            write_answers(job, output, recognizer.emotions, journal.results())
        keep = False
    except KeyboardInterrupt:
        resume = "; run the same command to resume" if journal.done else ""
        tell(f"interrupted after {journal.done:,} of {len(job.items):,} recordings{resume}")
        raise
    finally:
        journal.close(keep=keep)


def _tell_columns(job: Job, emotions: Sequence[str]) -> None:
    for line in lines_of_columns(job.items, emotions):
        tell(line)


def _results(
    job: Job,
    recognizer: "Recognizer | Combination",
    early: Sequence[Failure],
    counts: _Counts,
    done: int = 0,
) -> Iterator[Sequence[Answer | Failure]]:
    """Recognises the items behind those that are done; tells failures and shows progress."""
    for failure in early[done:]:
        counts.add(failure)
    if early[done:]:
        yield early[done:]
    done = max(done, len(early))
    fewest = min(map(len, by_speaker(job.items)), default=_FEW) if job.balanced_prior else _FEW
    if fewest < _FEW:
        tell(
            f"--balanced-prior: {fewest} recordings tell little about a speaker; "
            f"{_FEW} or more are expected"
        )
    for line in adaptation_lines(job.items) if job.adapt else ():
        tell(f"--adapt: {line}")
    groups: Iterator[list[Answer | Failure]]
    if job.is_by_speaker:
        answers = recognize_by_speaker(
            recognizer,
            job.items[done:],
            adapt=job.adapt,
            balanced_prior=job.balanced_prior,
            timeline=job.timeline,
        )
        groups = ([answer] for answer in answers)
    else:
        groups = recognizer.recognize_in_groups(
            [item.segment for item in job.items[done:]], timeline=job.timeline
        )
    many = len(job.items) >= _MANY and not job.writes_to_a_terminal
    with (
        gather_warnings(),
        progress_of(len(job.items), "recordings", done) if many else nullcontext(_nothing) as tick,
    ):
        for group in groups:
            for result in group:
                counts.add(result)
                if isinstance(result, Answer):  # of the others the reader has warned
                    warn_of(result.warnings, less_certain=True)
                tick()
            yield group


def _nothing() -> None:
    """Shows no progress."""
