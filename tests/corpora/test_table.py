import warnings

import numpy as np
import pandas as pd
import pytest

from seqcap.corpora.table import read_table, write_table
from seqcap.errors import CorpusError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file,start,end,speaker,emotion", "a.wav,0.5,2.0,7,anger"),
        ("file,start,end,speaker,emotion", "a.wav,0 days 00:00:00.500,0 days 00:00:02,7,angry"),
        ("path,begin,stop,SpkrID,EMO", "a.wav,00:00:00.5,00:00:02,7,ang"),
        ("FileName;start;end;speaker_id;label", "a.wav;0.5;2;7;ANG"),
        ("file_name\tonset\toffset\tspeaker\temo", "a.wav\t0.5\t2\t7\tAnger"),
        ("name,start,end,actor,Emotion", "a.wav,0.5,2,7,rage"),
        ("wav,start,end,spkr,label", "a.wav,0.5,2,7,A"),
    ],
)
def test_other_names_times_and_spellings_are_understood(tmp_path, header, row):
    table = read_table(write(tmp_path / "t.csv", f"{header}\n{row}\n"))
    assert list(table.columns) == ["file", "start", "end", "speaker", "session", "emotion"]
    assert table.loc[0].tolist() == [str(tmp_path / "a.wav"), 0.5, 2.0, "7", "", "anger"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("1,5", "2,25", (1.5, 2.25)),
        ("0,125", "10", (0.125, 10)),
        ("00:00:01,5", "00:01:02,25", (1.5, 62.25)),
        ("0 days 00:00:01,500", "3", (1.5, 3)),
        ("1.5", "2,5", (1.5, 2.5)),
    ],
)
def test_a_decimal_comma_is_one(tmp_path, start, end, expected):
    text = f"file;start;end;emotion\na.wav;{start};{end};sad\n"
    table = read_table(write(tmp_path / "t.csv", text))
    assert tuple(table.loc[0, ["start", "end"]]) == expected


@pytest.mark.parametrize(
    "time", ["1.234,5", "1,234,5", "1,", ",", "1 5", "inf", "-inf", "1e999", "١,x"]
)
def test_what_is_no_time_is_refused_with_its_row(tmp_path, time):
    text = f"file;start;end;emotion\na.wav;0;1;sad\nb.wav;{time};9;sad\n"
    with pytest.raises(CorpusError, match=r"row 3: .* is no time; seconds"):
        read_table(write(tmp_path / "t.csv", text))


def test_speakers_that_parquet_keeps_as_numbers_are_whole_numbers(tmp_path):
    table = pd.DataFrame({"file": ["a", "b"], "speaker": [3.0, np.nan], "emotion": "sad"})
    table.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["speaker"].tolist() == ["3", ""]


def test_an_empty_end_is_the_end_of_the_file_and_start_is_the_beginning(tmp_path):
    text = "file,start,end,emotion\na.wav,,,sad\nb.wav,0,NaT,sad\nc.wav,0,nan,sad\n"
    table = read_table(write(tmp_path / "t.csv", text))
    assert table["end"].isna().all()
    assert (table["start"] == 0).all()


def test_what_else_a_table_has_is_kept_and_split_and_gender_are_understood(tmp_path):
    text = "file,label,Split_Set,sex,room\na.wav,hap,Train,f,kitchen\n"
    table = read_table(write(tmp_path / "t.csv", text))
    assert table.loc[0, ["split", "gender", "room"]].tolist() == ["Train", "female", "kitchen"]


def test_the_whole_column_decides_between_german_and_english_letters(tmp_path):
    german = read_table(write(tmp_path / "de.csv", "file,label\na,A\nb,W\nc,N\n"))
    english = read_table(write(tmp_path / "en.csv", "file,label\na,A\nb,H\nc,N\n"))
    assert german["emotion"].tolist() == ["fear", "anger", "neutral"]
    assert english["emotion"].tolist() == ["anger", "happiness", "neutral"]


def test_unknown_emotions_and_odd_speakers_stay_as_they_came(tmp_path):
    table = read_table(write(tmp_path / "t.csv", "file,speaker,label\na,sp01 ,hapy\nb,007,zen\n"))
    assert table["emotion"].tolist() == ["hapy", "zen"]
    assert table["speaker"].tolist() == ["sp01 ", "007"]


def test_relative_files_are_below_the_table_and_absolute_ones_stay(tmp_path):
    (tmp_path / "deep").mkdir()
    text = "file,emotion\nx/a.wav,sad\n../b.wav,sad\n/data/c.wav,sad\n"
    table = read_table(write(tmp_path / "deep" / "t.csv", text))
    assert table["file"].tolist() == [
        str(tmp_path / "deep/x/a.wav"),
        str(tmp_path / "b.wav"),
        "/data/c.wav",
    ]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_written_table_is_read_back_equal_and_moves_with_its_files(tmp_path, ending):
    table = pd.DataFrame(
        {
            "file": [str(tmp_path / "x" / "a, b.wav"), "/elsewhere/c.wav"],
            "start": [0.0, 1.25],
            "end": [np.nan, 2.5],
            "speaker": ["007", "ä"],
            "session": ["", "s"],
            "emotion": ["anger", "calm"],
            "text": ['He said "no".', ""],
        }
    )
    write_table(table, tmp_path / f"t.{ending}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"t.{ending}"), table, check_dtype=False)
    moved = tmp_path / "moved" / f"t.{ending}"
    moved.parent.mkdir()
    (tmp_path / f"t.{ending}").rename(moved)
    assert read_table(moved)["file"].tolist() == [
        str(tmp_path / "moved" / "x" / "a, b.wav"),
        "/elsewhere/c.wav",
    ]


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    (tmp_path / "t.csv").write_text("the old one")
    with pytest.raises(CorpusError, match=r"ends in '.txt'; .csv or .parquet was expected"):
        write_table(pd.DataFrame({"file": ["a"]}), tmp_path / "t.txt")
    with pytest.raises(RuntimeError):
        write_table(pd.DataFrame({"file": ["a"], "x": [Unwritable()]}), tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == "the old one"


class Unwritable:
    def __str__(self):
        raise RuntimeError("the disk is full")


def test_audformat_reads_what_is_written_and_is_read(tmp_path):
    audformat = pytest.importorskip("audformat", reason="the extra `dev`")
    index = audformat.segmented_index(["a.wav", "b.wav"], ["0.5s", "0s"], ["2s", pd.NaT])
    theirs = pd.DataFrame({"emotion": ["anger", "sadness"], "speaker": ["7", "8"]}, index=index)
    theirs.to_csv(tmp_path / "theirs.csv")
    theirs.to_parquet(tmp_path / "theirs.parquet")
    for path in (tmp_path / "theirs.csv", tmp_path / "theirs.parquet"):
        table = read_table(path)
        assert table["start"].tolist() == [0.5, 0.0]
        assert table["end"].fillna(-1).tolist() == [2.0, -1]
        assert table["emotion"].tolist() == ["anger", "sadness"]
    write_table(table, tmp_path / "ours.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, in audformat
        ours = audformat.utils.read_csv(tmp_path / "ours.csv")
    assert audformat.is_segmented_index(ours.index)
    assert ours.index.get_level_values("start")[0] == pd.Timedelta("0.5s")
    assert ours["emotion"].tolist() == ["anger", "sadness"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "columns a, b; one named 'file' or path, filepath, file_path"),
        ("file,who\n1,2\n", "columns file, who; one named 'emotion' or label, emo"),
        ("file,emotion\n", "no rows; a header and one row an utterance were expected"),
        ("", "cannot be read as a table: No columns to parse from file"),
        ("file,emotion,start\na,sad,0\nb,sad,soon\n", "row 3: 'soon' is no time; seconds"),
        ("file,emotion,Emotion\na,sad,sad\n", "two columns 'emotion'; one was expected"),
    ],
)
def test_what_is_no_corpus_table_is_refused_with_the_way_out(tmp_path, text, message):
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(CorpusError) as error:
        read_table(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="no such file; a corpus table"):
        read_table(tmp_path / "absent.csv")
    for name in ("t.csv", "t.parquet"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00binary\x80")
        with pytest.raises(CorpusError, match="cannot be read as"):
            read_table(tmp_path / name)


def test_more_fields_than_columns_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="cannot be read as a table"):
        read_table(write(tmp_path / "t.csv", "file,emotion\na.wav,sad\nb.wav,sad,more,fields\n"))
