import io
import os

import pytest

from seqcap.audio.file_view import FileView, patched_view, whole_view


def make_view():
    return FileView(io.BytesIO(b"0123456789"), [b"ab", (3, 5), b"", (8, 10)])


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_pieces_joined_are_the_whole(count):
    view = make_view()
    pieces = iter(lambda: view.read(count), b"")
    assert b"".join(pieces) == b"ab3489"
    assert view.tell() == len(view) == 6


def test_positions_count_from_beginning_place_and_end():
    view = make_view()
    assert view.seek(3) == 3
    assert view.seek(1, os.SEEK_CUR) == 4
    assert view.read(1) == b"8"
    assert view.seek(-2, os.SEEK_END) == 4
    assert view.seek(-99) == 4
    assert view.seek(99) == 99
    assert view.read() == b""


def test_reading_into_a_buffer_fills_its_beginning():
    buffer = bytearray(b"........")
    assert make_view().readinto(memoryview(buffer)) == 6
    assert bytes(buffer) == b"ab3489.."


def test_a_file_that_was_closed_reads_nothing():
    file = io.BytesIO(b"0123")
    view = whole_view(file)
    file.close()
    assert view.read() == b""


def test_patches_replace_bytes():
    assert patched_view(io.BytesIO(b"abcdef"), {}).read() == b"abcdef"
    assert patched_view(io.BytesIO(b"abcdef"), {4: b"YZ", 0: b"X"}).read() == b"XbcdYZ"
