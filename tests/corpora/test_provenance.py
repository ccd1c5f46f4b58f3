import hashlib
import os

import pandas as pd
import pytest

from seqcap.corpora.provenance import file_hash, file_hashes, table_hash
from seqcap.corpora.table import read_table, write_table
from seqcap.errors import AudioError


@pytest.fixture
def table(tmp_path):
    return pd.DataFrame(
        {
            "file": [str(tmp_path / "x" / name) for name in ("a.wav", "b.wav")],
            "start": [0.0, 0.1 + 0.2],
            "end": [float("nan"), 2.0],
            "speaker": ["1", "2"],
            "session": "",
            "emotion": ["anger", "calm"],
        }
    )


def test_the_same_table_has_one_hash_in_every_format_and_place(table, tmp_path):
    for path in (tmp_path / "t.csv", tmp_path / "t.parquet"):
        write_table(table, path)
        assert table_hash(read_table(path)) == table_hash(table)
    elsewhere = table.assign(file=["/other/a.wav", "/other/b.wav"])
    assert table_hash(elsewhere) == table_hash(table)


@pytest.mark.parametrize(
    ("column", "value"), [("emotion", "fear"), ("end", 2.001), ("speaker", "02"), ("file", "/c")]
)
def test_any_change_changes_the_hash(table, column, value):
    changed = table.copy()
    changed.loc[1, column] = value
    assert table_hash(changed) != table_hash(table)
    assert table_hash(table.iloc[::-1]) != table_hash(table)
    assert table_hash(table.iloc[:1]) != table_hash(table)


def test_a_files_hash_is_that_of_its_bytes_and_follows_changes(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    assert file_hash(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert file_hashes([str(path), str(path)]) == {str(path): hashlib.sha256(b"two").hexdigest()}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"absent.wav: no such file; check the path"):
        file_hash(tmp_path / "absent.wav")
