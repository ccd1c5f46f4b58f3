"""Answers of `predict` on their way out: rows, one file for all, or one for each recording."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TextIO

from seqcap.apps.extras import needs_extra
from seqcap.apps.items import Item
from seqcap.apps.table import TableWriter, title_of
from seqcap.apps.timeline_formats import AS_TEXT, as_textgrid
from seqcap.apps.turns import with_speakers
from seqcap.apps.writers import (
    BY_RECORDING,
    Format,
    Writer,
    free_names,
    names_of_columns,
    open_output,
    row_writer,
    write_content,
    write_parquet,
)
from seqcap.audio.waveform import duration_s
from seqcap.recognition.answers import Answer, Failure

if TYPE_CHECKING:
    from seqcap.apps.prediction import Job


_PICTURES = (Format.SVG, Format.PNG)  # one for each segment


def check_format(written_as: Format) -> None:
    """Looks for the packages that a format needs, before anything is recognised.

    Raises:
        MissingExtraError: One is not installed.
    """
    if written_as is Format.PARQUET:
        with needs_extra("tables"):
            import pyarrow  # noqa: F401
    elif written_as is Format.PNG:
        with needs_extra("figures"):
            import matplotlib  # noqa: F401


def answers_with_columns(
    job: "Job", emotions: Sequence[str], results: Iterable[Answer | Failure]
) -> Iterator[tuple[Mapping[str, Any], Answer]]:
    """Gives answers with what their rows keep; of turns, the answers of speakers as well.

    Args:
        job: Whose items were recognised.
        emotions: Columns of the answers; a table's own of these names are renamed.
        results: One for each item, in order.
    """
    names = free_names(_kept(job.items), emotions)
    rows: Iterable[tuple[Mapping[str, Any], Answer | Failure]] = (
        (item.columns, result) for item, result in zip(job.items, results, strict=True)
    )
    if job.turns:
        rows = with_speakers(rows, job.abstain_below)
    for columns, result in rows:
        if isinstance(result, Answer):
            yield {new: columns[name] for name, new in names.items() if name in columns}, result


def lines_of_columns(items: Sequence[Item], emotions: Sequence[str]) -> Iterator[str]:
    """Says what becomes of a table's columns that answers have too."""
    kept = _kept(items)
    names = free_names(kept, emotions)
    renamed = [f"'{name}' as '{new}'" for name, new in names.items() if name != new]
    if renamed:
        yield f"the table has columns that answers have; kept: {', '.join(renamed)}"
    if len(names) < len(kept):
        yield "the table holds answers of these emotions already; they are replaced"


def stream_writer(job: "Job", file: TextIO, emotions: Sequence[str]) -> Writer:
    """Makes the writer of a format that is written row by row."""
    if job.written_as is Format.TABLE:
        titles = [title_of(item.name, item.columns) for item in job.items]
        return TableWriter(file, emotions, titles)
    kept = list(free_names(_kept(job.items), emotions).values())
    return row_writer(job.written_as, file, emotions, kept, job.timeline)


def write_answers(
    job: "Job", output: Path, emotions: Sequence[str], results: Iterable[Answer | Failure]
) -> None:
    """Writes all answers in one piece.

    Args:
        job: Whose answers they are.
        output: A file; or a folder, if the format has a file for each recording.
        emotions: Columns of the answers.
        results: One for each item, in order.

    Raises:
        SettingsError: It cannot be written.
    """
    if job.written_as is Format.PARQUET:
        kept = list(free_names(_kept(job.items), emotions).values())
        names = names_of_columns(emotions, kept, job.timeline)
        write_parquet(output, answers_with_columns(job, emotions, results), names)
    elif job.written_as is Format.HTML:
        from seqcap.apps.timeline_page import page_parts

        with open_output(output) as file:
            file.writelines(page_parts(_answered(job.items, results)))
    elif job.written_as in BY_RECORDING:
        _write_by_recording(job, output, results)
    else:
        with open_output(output) as file:
            writer = stream_writer(job, file, emotions)
            for columns, answer in answers_with_columns(job, emotions, results):
                writer.write(answer, columns)
            writer.close()


def _write_by_recording(job: "Job", output: Path, results: Iterable[Answer | Failure]) -> None:
    """Writes a file for each recording; of several they lie in the folder `output`."""
    names = list(dict.fromkeys(item.name for item in job.items))
    one_file = len(names) == 1 and not output.is_dir()
    if job.written_as in _PICTURES:
        one_file = one_file and len(job.items) == 1
    files = dict(zip(names, _file_names(names), strict=True))
    groups = itertools.groupby(_answered(job.items, results), lambda each: each[2].file)
    for name, group in groups:
        for stem, content in _contents(job.written_as, files[name], list(group)):
            path = output if one_file else output / f"{stem}{BY_RECORDING[job.written_as]}"
            write_content(path, content)


def _contents(
    written_as: Format, stem: str, answered: Sequence[tuple[Mapping[str, Any], Any, Answer]]
) -> Iterator[tuple[str, bytes]]:
    """Names, without ending, and contents of the files of one recording."""
    if written_as not in _PICTURES:
        results = [(columns, answer) for columns, _, answer in answered]
        if written_as is Format.TEXTGRID:
            text = as_textgrid(results, duration_s(answered[0][1].source))
        else:
            text = AS_TEXT[written_as](results)
        yield stem, text.encode("utf-8", "backslashreplace")
        return
    for number, (columns, segment, answer) in enumerate(answered):
        name = stem if len(answered) == 1 else f"{stem}-{number}"
        if written_as is Format.PNG:
            from seqcap.apps.timeline_image import as_png

            yield name, as_png(answer, segment, columns)
        else:
            from seqcap.apps.timeline_picture import as_svg

            yield name, as_svg(answer, segment, columns).encode("utf-8", "backslashreplace")


def _answered(
    items: Sequence[Item], results: Iterable[Answer | Failure]
) -> Iterator[tuple[Mapping[str, Any], Any, Answer]]:
    for item, result in zip(items, results, strict=True):
        if isinstance(result, Answer):
            yield item.columns, item.segment, result


def _file_names(names: Sequence[str]) -> list[str]:
    """Stems of the recordings' names; where two are alike, numbered.

    Example:
        >>> _file_names(["a/x.wav", "b/x.wav", "<stdin>"])
        ['x', 'x-2', 'stdin']
    """
    taken: dict[str, int] = {}
    stems = []
    for name in names:
        stem = PurePath(name).stem.strip("<>") or "recording"
        taken[stem] = taken.get(stem, 0) + 1
        stems.append(stem if taken[stem] == 1 else f"{stem}-{taken[stem]}")
    return stems


def _kept(items: Sequence[Item]) -> list[str]:
    return list(dict.fromkeys(name for item in items for name in item.columns))
