"""Reads mutated files one by one, in a process that may crash, hang or run out of memory.

Commands come as lines of JSON, ``["sound", path]``; answers go back as lines of JSON.
"""

import json
import os
import resource
import sys
import traceback
import warnings
from pathlib import Path

SPEECH = Path(__file__).parents[1] / "samples" / "emodb" / "15b09Wb.wav"
MEMORY_BYTES = 6 * 2**30  # of addresses; libraries take two without using them


def try_sound(path: str) -> str:
    """Reads a sound file; gives how far it came."""
    from seqcap.audio.source import opened
    from seqcap.audio.waveform import waveform_blocks
    from seqcap.errors import AudioError, AudioWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AudioWarning)
        try:
            for _ in waveform_blocks(path):
                pass
            return "read, with a warning" if caught else "read"
        except AudioError as error:
            _check_text(error)
    try:
        with opened(path, None):
            return "refused behind the header"
    except AudioError as error:
        # Truncation is found while a file is opened, from a header that was understood.
        return "refused behind the header" if "truncated" in str(error) else "refused"


def try_table(path: str) -> str:
    """Reads a corpus table."""
    from seqcap.corpora.checks import check_table
    from seqcap.corpora.table import read_table
    from seqcap.errors import CorpusError

    try:
        check_table(read_table(path), audio=False)
    except CorpusError as error:
        _check_text(error)
        return "refused"
    return "read"


def try_model(path: str) -> str:
    """Loads a model and recognises speech."""
    from seqcap.errors import CheckpointError, SettingsError
    from seqcap.recognition.recognizer import Recognizer

    try:
        Recognizer.from_pretrained(path, "cpu").recognize(SPEECH)
    except (CheckpointError, SettingsError) as error:
        _check_text(error)
        return "refused"
    return "read"


def _check_text(error: Exception) -> None:
    text = str(error)
    if "\n" in text or not text:
        raise AssertionError(f"a message of several lines: {text!r}")


def main() -> None:
    """Answers until the input ends."""
    if "--no-limit" not in sys.argv:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    tries = {"sound": try_sound, "table": try_table, "model": try_model}
    for line in sys.stdin:
        kind, path = json.loads(line)
        try:
            outcome, detail = tries[kind](path), ""
        except Exception:
            outcome, detail = "traceback", traceback.format_exc(limit=-3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([outcome, detail, peak]), file=answers, flush=True)
        Path(path).exists()


if __name__ == "__main__":
    main()
