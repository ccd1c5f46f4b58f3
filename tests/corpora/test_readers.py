import os
import warnings
from pathlib import Path

import pandas as pd
import pytest
from lookalikes import (
    SILENCE_16K,
    banglaser_names,
    crema_d_names,
    emodb_names,
    emovo_names,
    nemo_names,
    ravdess_names,
    savee_names,
    tess_names,
    urdu_names,
)

from seqcap.corpora.checks import check_table
from seqcap.corpora.readers import READERS, read_corpus
from seqcap.errors import CorpusError, CorpusWarning

TESS_FOLDERS = {"ps": "pleasant_surprised"}
URDU_FOLDERS = {"A": "Angry", "H": "Happy", "N": "Neutral", "S": "Sad"}

# How copies of each corpus are laid out: the original, then what mirrors make of it.
LAYOUTS = {
    "emodb": (emodb_names, ["wav/{n}.wav", "EMODB/wav/{n}.WAV", "{n}.flac"]),
    "ravdess": (
        ravdess_names,
        [
            "Actor_{n:.2}/{n}.wav",
            "Audio_Speech_Actors_01-24/Actor_01/{n}.wav",
            "RAVDESS/speech/{n}.FLAC",
        ],
    ),
    "nemo": (nemo_names, ["samples/{n}.wav", "nEMO-main/samples/{n}.wav", "{n}.flac"]),
    "banglaser": (
        banglaser_names,
        ["Actor {n:.2}/{n}.wav", "BanglaSER/Actor 01/{n}.WAV", "{n}.flac"],
    ),
    "savee": (
        savee_names,
        ["ALL/{n}.wav", "AudioData/{n:.2}/{word}.wav", "SAVEE/{n:.2}/{word}.WAV"],
    ),
    "tess": (
        tess_names,
        [
            "{n:.3}_{folder}/{n}.wav",
            "TESS Toronto emotional speech set data/{n:.3}_{folder}/{n}.wav",
            "{n}.flac",
        ],
    ),
    "emovo": (emovo_names, ["EMOVO/{word:.2}/{n}.wav", "{n}.wav"]),
    "urdu": (urdu_names, ["{folder}/{n}.wav", "URDU-Dataset-master/{folder}/{n}.wav"]),
}  # fmt: skip


def lay_out(corpus: str, layout: str) -> list[str]:
    names = []
    for name in LAYOUTS[corpus][0]():
        last = name.replace("-", "_").split("_")[-1]
        names.append(
            layout.format(
                n=name,
                word=name.split("-")[1] if corpus == "emovo" else last,
                folder=URDU_FOLDERS[last[0]] if corpus == "urdu" else TESS_FOLDERS.get(last, last),
            )
        )
    return names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("corpus", "layout"), [(name, layout) for name, (_, many) in LAYOUTS.items() for layout in many]
)
def test_a_complete_copy_is_read_in_any_layout_without_a_warning(corpus, layout, make_tree):
    folder = make_tree([*lay_out(corpus, layout), "._x.wav", "__MACOSX/._y.wav"])
    table = read_corpus(corpus, folder)  # a warning here would fail the test
    facts = READERS[corpus]
    assert table["emotion"].value_counts().to_dict() == facts.counts
    assert table["speaker"].nunique() == facts.speaker_count
    assert list(table.columns[:6]) == ["file", "start", "end", "speaker", "session", "emotion"]
    assert set(table["corpus"]) == {corpus}
    assert table["speaker"].str.startswith(f"{corpus}-").all()
    assert all(Path(file).is_absolute() for file in table["file"])


@pytest.mark.parametrize(
    ("corpus", "layout", "outer"),
    [
        ("ravdess", "Actor_{n:.2}/{n}.wav", "audio_speech_actors_01-24/"),
        ("tess", "{n:.3}_{folder}/{n}.wav", "TESS Toronto emotional speech set data/"),
        ("savee", "{n:.2}/{word}.wav", "AudioData/"),
    ],
)
def test_a_copy_that_holds_everything_twice_counts_once(corpus, layout, outer, make_tree):
    names = lay_out(corpus, layout)
    folder = make_tree([*names, *(outer + name for name in names)])
    with pytest.warns(CorpusWarning, match="are there more than once, as .*: each counted once"):
        table = read_corpus(corpus, folder)
    assert table["emotion"].value_counts().to_dict() == READERS[corpus].counts
    assert not table["file"].str.contains(outer, regex=False).any()


@pytest.mark.slow
def test_wav_beside_mp3_counts_once_and_the_wav_is_taken(make_tree):
    names = crema_d_names()
    folder = make_tree([f"AudioWAV/{n}.wav" for n in names] + [f"AudioMP3/{n}.mp3" for n in names])
    with pytest.warns(CorpusWarning) as caught:
        table = read_corpus("crema_d", folder)
    text = "\n".join(str(warning.message) for warning in caught)
    assert "7,435 recordings are there more than once" in text
    assert table["file"].str.endswith(".wav").all()


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["AudioWAV/{}.wav", "CREMA-D-master/AudioWAV/{}.wav"])
def test_a_complete_crema_d_says_in_one_line_what_it_leaves_out(layout, make_tree):
    folder = make_tree([layout.format(n) for n in crema_d_names()])
    with pytest.warns(CorpusWarning) as caught:
        table = read_corpus("crema_d", folder)
    (warning,) = caught
    assert str(warning.message) == (
        "crema_d: 7 files left out: three sounds that have two labels each, and a silent "
        "recording; 551 of those kept touch full scale"
    )
    assert table["emotion"].value_counts().to_dict() == READERS["crema_d"].counts
    assert table["speaker"].nunique() == 91
    assert not table["file"].str.contains("1076_MTI_SAD|1006_TIE_NEU|1006_TIE_HAP").any()


def test_banglaser_and_ravdess_are_not_taken_for_each_other(make_tree, tmp_path):
    banglaser = make_tree([f"bn/{n}.wav" for n in banglaser_names()])
    with pytest.raises(CorpusError, match="is a name of BanglaSER; its reader is called banglaser"):
        read_corpus("ravdess", banglaser / "bn")
    ravdess = make_tree([f"en/{n}.wav" for n in ravdess_names()])
    with pytest.raises(CorpusError, match="is a name of RAVDESS; its reader is called ravdess"):
        read_corpus("banglaser", ravdess / "en")


def test_names_that_both_corpora_have_are_read_by_banglaser_with_a_note(make_tree):
    folder = make_tree(["03-01-03-02-01-02-17.wav"])
    with pytest.warns(CorpusWarning) as caught:
        table = read_corpus("banglaser", folder)
    assert any("could be RAVDESS's too" in str(warning.message) for warning in caught)
    assert table["emotion"].tolist() == ["anger"]


def test_copies_that_differ_in_content_are_named(make_tree):
    folder = make_tree([f"wav/{n}.wav" for n in emodb_names()])
    (folder / "other").mkdir()
    (folder / "other" / "03a01Wa.wav").write_bytes(SILENCE_16K[:-2] + b"\1\1")
    with pytest.warns(CorpusWarning) as caught:
        read_corpus("emodb", folder)
    assert any("1 of the copies differ in content" in str(w.message) for w in caught)


def test_songs_are_left_out_with_a_note(make_tree):
    folder = make_tree([*lay_out("ravdess", "{n}.wav"), "Song/03-02-05-02-01-01-07.wav"])
    with pytest.warns(CorpusWarning, match="1 files left out: song"):
        table = read_corpus("ravdess", folder)
    assert len(table) == 1440


def test_an_incomplete_copy_is_read_and_what_is_missing_is_listed(make_tree):
    names = [n for n in emodb_names() if not n.startswith("16") and n[5] != "L"]
    with pytest.warns(CorpusWarning) as caught:
        table = read_corpus("emodb", make_tree([f"{n}.wav" for n in names]))
    text = "\n".join(str(warning.message) for warning in caught)
    assert len(table) == len(names)
    assert f"emodb: {len(names)} utterances found, 535 are official: neutral 72" in text
    assert "boredom 0 of 81" in text
    assert "nothing from speakers 16" in text


@pytest.mark.slow
def test_errors_in_official_names_are_no_new_speakers(make_tree):
    table = read_corpus("tess", make_tree(lay_out("tess", "{n}.wav")))
    slip = table[table["file"].str.contains("OA_bite_neutral")]
    assert slip[["speaker", "emotion"]].to_numpy().tolist() == [["tess-OAF", "neutral"]]


@pytest.mark.parametrize(
    ("corpus", "name", "expected"),
    [
        ("emodb", "16b10Wb", ("emodb-16", "anger", "female")),
        ("ravdess", "03-01-08-02-01-01-07", ("ravdess-07", "surprise", "male")),
        ("nemo", "MP0_surprised_12", ("nemo-MP0", "surprise", "male")),
        ("crema_d", "1091_WSI_HAP_XX", ("crema_d-1091", "happiness", "female")),
        ("banglaser", "03-01-03-02-01-02-28", ("banglaser-28", "anger", "female")),
        ("savee", "JK_sa03", ("savee-JK", "sadness", "male")),
        ("tess", "YAF_home_ps", ("tess-YAF", "surprise", "female")),
        ("emovo", "rab-m2-n3", ("emovo-m2", "anger", "male")),
        ("urdu", "SF10_F1_S01", ("urdu-F10", "sadness", "female")),
    ],
)
def test_one_name_tells_speaker_emotion_and_gender(corpus, name, expected, make_tree):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorpusWarning)
        table = read_corpus(corpus, make_tree([f"{name}.wav"]))
    assert tuple(table.loc[0, ["speaker", "emotion", "gender"]]) == expected


def test_links_are_followed_and_circles_end(make_tree, tmp_path):
    real = make_tree([f"wav/{n}.wav" for n in emodb_names()])
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "emodb").symlink_to(real)
    (real / "circle").symlink_to(real)
    assert len(read_corpus("emodb", tmp_path / "linked")) == 535


def test_a_wrong_folder_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(CorpusError, match="no such folder; the unpacked EMO-DB"):
        read_corpus("emodb", tmp_path / "absent")
    with pytest.raises(CorpusError, match=r"no recording of EMO-DB.* is it the right folder"):
        read_corpus("emodb", tmp_path)
    with pytest.raises(
        CorpusError, match=r"emodbb: no reader of this name; did you mean .emodb.\?"
    ):
        read_corpus("emodbb", tmp_path)


def test_folders_named_for_emotions_may_name_speakers_and_split(make_tree):
    folder = make_tree(
        [
            f"data/{split}/{who}/{emotion}/{i}.wav"
            for split, who in (("train", "anna"), ("train", "ben"), ("test", "cleo"))
            for emotion in ("Angry", "happy")
            for i in range(2)
        ]
    )
    with pytest.warns(CorpusWarning, match="3 speakers, by folders: anna, ben, cleo"):
        table = read_corpus("folders", folder)
    assert table.groupby("speaker")["split"].first().to_dict() == {
        "folders-anna": "train", "folders-ben": "train", "folders-cleo": "test"
    }  # fmt: skip
    assert table["emotion"].value_counts().to_dict() == {"anger": 6, "happiness": 6}


def test_folders_within_folders_keep_their_emotions(make_tree):
    folder = make_tree(["data/angry/a.wav", "angry/a.wav", "data/sad/b.wav", "sad/b.wav", "c.wav"])
    with pytest.warns(CorpusWarning, match="no folders tell who speaks|1 files outside the emot"):
        table = read_corpus("folders", folder)
    assert table["emotion"].value_counts().to_dict() == {"anger": 2, "sadness": 2}


def test_folders_without_speakers_leave_the_column_empty_and_say_so(make_tree):
    with pytest.warns(CorpusWarning, match="no folders tell who speaks"):
        table = read_corpus("folders", make_tree(["set/sad/a.wav", "set/stressed/b.wav"]))
    assert set(table["speaker"]) == {""}
    assert set(table["emotion"]) == {"sadness", "stressed"}


@pytest.fixture
def shared_data() -> Path:
    shared = os.environ.get("SEQCAP_SHARED")
    if not shared:
        pytest.skip("real corpora: set SEQCAP_SHARED to the folder that holds data/")
    return Path(shared, "data")


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_real_corpora_have_their_official_counts(corpus, shared_data):
    table = read_corpus(corpus, shared_data / corpus)
    assert table["emotion"].value_counts().to_dict() == READERS[corpus].counts


def test_the_real_banglaser_lacks_one_file_of_its_official_figures(shared_data):
    with pytest.warns(CorpusWarning, match="1,466 utterances found, 1,467 are official: neutral"):
        table = read_corpus("banglaser", shared_data / "banglaser")
    assert table["speaker"].nunique() == 34


def test_the_real_part_of_nemo_lists_what_it_lacks(shared_data):
    with pytest.warns(CorpusWarning, match="1,544 utterances found, 4,481 are official"):
        table = read_corpus("nemo", shared_data / "nemo")
    assert isinstance(table, pd.DataFrame)
    assert table["speaker"].nunique() == 9


def test_the_samples_of_this_project_are_read_without_problems():
    samples = Path(__file__).parents[2] / "samples" / "emodb"
    with pytest.warns(CorpusWarning, match="nothing from speakers|utterances found, 535 are off"):
        table = read_corpus("emodb", samples)
    assert len(table) == len(list(samples.rglob("*.wav")))
    assert check_table(table) == []
