"""What a long job has done so far, in a file beside its output, so that it can be resumed.

``emotions.csv.partial`` holds a line of JSON for the job and one for each group of recordings that
went through the network together, in order. It is gone when the output is whole.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from seqcap.apps.items import Item
from seqcap.audio.issues import AudioIssue, IssueKind
from seqcap.errors import SettingsError
from seqcap.recognition.answers import Answer, Failure

ENDING = ".partial"
_MODEL_ENDINGS = (".json", ".safetensors", ".onnx")


class Journal:
    """Results of a job, kept as they come.

    Args:
        output: What the job writes in the end.
        job: What makes it this job: inputs, models and options.

    Raises:
        SettingsError: Another job has left its results there, or is at work.
    """

    def __init__(self, output: Path, job: Mapping[str, Any]) -> None:
        self.path = Path(f"{os.path.realpath(output)}{ENDING}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+", encoding="ascii", newline="\n")
        except OSError as error:
            raise SettingsError(f"{output}: cannot be written ({error.strerror})") from error
        _lock(self._file, output)
        lines = self._whole_lines()
        if lines and json.loads(lines[0]) != dict(job):
            self._file.close()
            raise SettingsError(
                f"{self.path}: rows of another job (other recordings, models or options); delete "
                "it, or give another --output"
            )
        if not lines:
            self._write(dict(job))
        self.done = sum(len(json.loads(line)) for line in lines[1:])

    def append(self, group: Sequence[Answer | Failure]) -> None:
        """Keeps the next results; all of them survive whatever ends the process, or none."""
        self._write(
            [
                {"answer" if isinstance(each, Answer) else "failure": dataclasses.asdict(each)}
                for each in group
            ]
        )
        self.done += len(group)

    def results(self) -> Iterator[Answer | Failure]:
        """All results so far, in order."""
        with self.path.open(encoding="ascii") as file:
            next(file)
            for line in file:
                for each in json.loads(line):
                    ((kind, fields),) = each.items()
                    yield _answer(fields) if kind == "answer" else Failure(**fields)

    def clear(self) -> None:
        """Forgets the results of a job whose answers depend on all recordings together."""
        first = self._whole_lines()[0]
        self._file.truncate(len(first) + 1)
        self.done = 0

    def close(self, keep: bool) -> None:
        """Ends the journal.

        Args:
            keep: Leave the results for the next time, if there are any.
        """
        if not (keep and self.done):
            with contextlib.suppress(OSError):
                self.path.unlink()
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, content: Mapping[str, Any] | Sequence[Any]) -> None:
        try:
            self._file.write(f"{json.dumps(content)}\n")
            self._file.flush()
        except OSError as error:
            raise SettingsError(f"{self.path}: cannot be written ({error.strerror})") from error

    def _whole_lines(self) -> list[str]:
        """Reads the lines; what an end in the middle of one has left is cut off."""
        self._file.seek(0)
        text = self._file.read()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self._file.truncate(len(whole))
        self._file.seek(0, os.SEEK_END)
        return whole.splitlines()


def describe_job(
    items: Sequence[Item], models: Sequence[Path], options: Mapping[str, Any]
) -> dict[str, Any]:
    """What makes a job this one: a resumed command has to be the same in all of it.

    Args:
        items: What is recognised; files count by size and time of change.
        models: Their folders, by content.
        options: That change answers.
    """
    inputs = hashlib.sha256()
    for item in items:
        part = item.segment
        stated = [item.name, part.start_s, part.end_s, part.channel, *_state(part.source)]
        inputs.update(json.dumps([*stated, item.columns], default=str).encode())
    weights = hashlib.sha256()
    for folder in models:
        for path in sorted(folder.iterdir()):
            if path.suffix in _MODEL_ENDINGS:
                with path.open("rb") as file:
                    weights.update(hashlib.file_digest(file, "sha256").digest())
    return {
        "job": "seqcap predict, in groups",
        "recordings": len(items),
        "inputs": inputs.hexdigest(),
        "models": weights.hexdigest(),
        "options": dict(options),
    }


def _state(source: Any) -> list[Any]:
    if isinstance(source, (str, os.PathLike)):
        try:
            status = Path(source).stat()
        except (OSError, ValueError):
            return []
        return [status.st_size, status.st_mtime_ns]
    return [hashlib.sha256(source.getvalue()).hexdigest()]


def _answer(fields: dict[str, Any]) -> Answer:
    timeline = tuple(_answer(piece) for piece in fields.pop("timeline"))
    issues = tuple(AudioIssue(IssueKind(kind), text) for kind, text in fields.pop("warnings"))
    return Answer(**fields, timeline=timeline, warnings=issues)


def _lock(file: IO[str], output: Path) -> None:
    """Refuses to share a journal; the lock is gone with the process that holds it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise SettingsError(
            f"{output}: another 'seqcap predict' is writing it; give another --output"
        ) from None
