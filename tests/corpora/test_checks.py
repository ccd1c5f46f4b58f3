import numpy as np
import pandas as pd
import pytest
import soundfile

from seqcap.corpora.checks import check_table


def sound(path, seconds=1.0, seed=0, **options):
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, int(16000 * seconds))
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, noise, 16000, subtype="PCM_16", **options)
    return str(path)


@pytest.fixture
def table(tmp_path):
    """Eight rows without a fault: four people, two recordings each."""
    speakers = ["SP01", "SP01", "SP02", "SP02", "SP03", "SP03", "SP04", "SP04"]
    return pd.DataFrame(
        {
            "file": [sound(tmp_path / f"{i}.wav", seed=i) for i in range(8)],
            "start": 0.0,
            "end": np.nan,
            "speaker": speakers,
            "session": "",
            "emotion": ["anger", "sadness"] * 4,
        }
    )


def found(table, **options):
    return [(p.row, p.kind) for p in check_table(table, **options) if not p.is_note]


def only_text(table, **options):
    (problem,) = check_table(table, **options)
    return problem.text


def test_a_correct_table_has_no_problems(table):
    assert check_table(table) == []


def test_the_table_is_not_changed(table):
    before = table.copy()
    check_table(table)
    pd.testing.assert_frame_equal(table, before)


def test_a_missing_file_is_named_with_its_row(table, tmp_path):
    table.loc[3, "file"] = str(tmp_path / "gone.wav")
    assert found(table) == [(5, "missing file")]
    assert only_text(table) == f"{tmp_path / 'gone.wav'}: no such file"


def test_a_truncated_file_is_named(table, tmp_path):
    content = (tmp_path / "2.wav").read_bytes()
    (tmp_path / "2.wav").write_bytes(content[: len(content) // 2])
    assert found(table) == [(4, "unusable audio")]
    assert "2.wav: truncated" in only_text(table)
    assert found(table, audio=False) == []


def test_a_truncated_flac_is_named(table, tmp_path):
    table.loc[2, "file"] = sound(tmp_path / "2.flac", seconds=3.0, seed=9)
    content = (tmp_path / "2.flac").read_bytes()
    (tmp_path / "2.flac").write_bytes(content[: len(content) // 2])
    assert found(table) == [(4, "unusable audio")]


def test_empty_short_silent_and_invalid_recordings_are_named(table, tmp_path):
    (tmp_path / "0.wav").write_bytes(b"")
    (tmp_path / "1.wav").write_text("no sound at all")
    sound(tmp_path / "2.wav", seconds=0)
    sound(tmp_path / "3.wav", seconds=0.02)
    soundfile.write(tmp_path / "4.wav", np.zeros(16000), 16000)
    assert found(table) == [
        (2, "unusable audio"),
        (3, "unusable audio"),
        (4, "unusable audio"),
        (5, "unusable audio"),
        (6, "silent audio"),
    ]
    assert "0.02 s of audio; at least 0.04 s is needed" in check_table(table)[3].text


def test_a_speaker_with_two_spellings_is_one_person(table):
    table.loc[5, "speaker"] = "sp03 "
    table.loc[7, "speaker"] = "SP 4"
    assert found(table) == [(7, "speaker spelled twice"), (9, "speaker spelled twice")]
    first, second = check_table(table)
    assert first.text.startswith("'sp03 ' in row 7, 'SP03' in 1 others: one person")
    assert "one person under two names" in second.text


def test_a_label_typo_is_named_with_the_nearest_emotion(table):
    table.loc[1, "emotion"] = "sadnes"
    assert found(table) == [(3, "unknown emotion")]
    assert "'sadnes' in row 3; did you mean 'sadness'?" in only_text(table)


def test_own_emotions_can_be_allowed(table):
    table.loc[[1, 3], "emotion"] = "stressed"
    assert found(table) == [(3, "unknown emotion")]
    assert "rows 3, 5" in only_text(table)
    assert found(table, emotions=["stressed"]) == []


def test_empty_speakers_emotions_and_files_are_named(table):
    table.loc[0, "speaker"] = " "
    table.loc[1, "emotion"] = ""
    table.loc[2, "file"] = ""
    assert found(table) == [(2, "no speaker"), (3, "no emotion"), (4, "no file")]


def test_reversed_negative_and_overlong_times_are_named(table):
    table.loc[0, ["start", "end"]] = [0.8, 0.2]
    table.loc[1, ["start", "end"]] = [-0.5, 0.5]
    table.loc[2, ["start", "end"]] = [0.5, 1.5]
    table.loc[3, "start"] = 2.0
    table.loc[4, ["start", "end"]] = [0.5, 0.52]
    assert found(table) == [
        (2, "time"),
        (3, "time"),
        (4, "time"),
        (5, "too short"),
        (6, "too short"),
    ]
    assert [p.text.split("s ", 1)[0] for p in check_table(table)][:2] == ["end 0.2 ", "start -0.5 "]


def test_overlapping_pieces_of_one_file_are_named_with_both_rows(table):
    table["file"] = table.loc[0, "file"]
    table["start"] = [0.0, 0.1, 0.15, 0.3, 0.4, 0.5, 0.6, 0.7]
    table["end"] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, np.nan]
    assert found(table) == [(4, "overlap")]
    assert "0.15 to 0.3 s overlaps row 3 of the same file, 0.1 to 0.2 s" in only_text(table)


def test_duplicate_rows_are_named_with_both_labels(table):
    again = pd.concat([table, table.iloc[[2]].assign(emotion="fear")], ignore_index=True)
    assert found(again) == [(10, "duplicate row")]
    assert only_text(again) == "the same recording as row 4, there 'anger' and here 'fear'"


def test_a_recording_under_another_name_and_speaker_is_found_by_its_sound(table, tmp_path):
    samples, rate = soundfile.read(tmp_path / "0.wav", dtype="int16")
    soundfile.write(tmp_path / "other name.flac", samples, rate)
    table.loc[6, "file"] = str(tmp_path / "other name.flac")
    assert found(table) == [(8, "same audio, other speaker")]
    text = only_text(table)
    assert "other name.flac sounds the same, sample by sample, as" in text
    assert "0.wav of row 2: speakers 'SP01' and 'SP04'" in text


def test_ones_own_recording_twice_is_a_note_but_with_two_labels_a_problem(table, tmp_path):
    (tmp_path / "1.wav").write_bytes((tmp_path / "0.wav").read_bytes())
    assert found(table) == [(3, "same audio")]
    assert "there 'anger' and here 'sadness'" in only_text(table)
    table.loc[1, "emotion"] = "anger"
    assert found(table) == []
    assert [p.kind for p in check_table(table)] == ["same audio"]


def test_progress_sees_every_file_once(table):
    table = pd.concat([table, table.assign(start=0.5)], ignore_index=True).assign(end=np.nan)
    seen = []
    check_table(table, track=lambda files: (seen.append(file) or file for file in files))
    assert seen == table["file"].tolist()[:8]
