import os
import sys
from pathlib import Path

import pytest
from lookalikes import SILENCE_16K
from rights import folder_of_a_common_user

from seqcap.corpora.corpus import files_in, recordings_in
from seqcap.errors import CorpusWarning

posix = pytest.mark.skipif(sys.platform == "win32", reason="no such files there")


def test_recordings_of_all_formats_are_found_in_order(make_tree):
    folder = make_tree(["b.WAV", "a.m4a", "c/d.opus", "notes.txt", "._a.wav", "__MACOSX/a.wav"])
    names = [str(path.relative_to(folder)) for path in recordings_in(folder)]
    assert names == ["a.m4a", "b.WAV", "c/d.opus"]


@posix
def test_pipes_are_passed_over(make_tree):
    folder = make_tree(["a.wav"])
    os.mkfifo(folder / "b.wav")
    assert [path.name for path in recordings_in(folder)] == ["a.wav"]


@posix
def test_names_that_are_no_utf8_are_left_out_and_named(make_tree):
    folder = make_tree(["a.wav"])
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.wav")).write_bytes(SILENCE_16K)
    with pytest.warns(CorpusWarning, match=r"1 files left out, whose names are no UTF-8: bad\\xff"):
        assert [path.name for path in recordings_in(folder)] == ["a.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="rights of Unix")
def test_a_folder_without_rights_is_named():
    with folder_of_a_common_user() as folder:
        (folder / "locked").mkdir()
        for name in ("a.wav", "locked/b.wav"):
            (folder / name).touch()
        (folder / "locked").chmod(0)
        with pytest.warns(CorpusWarning, match="locked: cannot be searched"):
            assert len(list(files_in(folder, (".wav",)))) == 1
        (folder / "locked").chmod(0o755)
