import pandas as pd
import pytest

from seqcap import Failure, Recognizer, recognize_index
from seqcap.apps.audformat_index import segments_of
from seqcap.errors import CorpusError
from seqcap.recognition.recordings import Segment


def segmented(files: list[str], starts: list[str], ends: list[str | None]) -> pd.MultiIndex:
    times = pd.to_timedelta(starts), pd.to_timedelta(ends)
    return pd.MultiIndex.from_arrays([files, *times], names=["file", "start", "end"])


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.from_pretrained()


def test_files_and_parts_of_them_get_the_answers_of_the_recognizer(recognizer, samples) -> None:
    files = [str(path) for path in samples[:3]]
    index = segmented(files, ["0s", "500ms", "1s"], [None, "1500ms", None])
    found = recognize_index(index, recognizer)
    assert found.index is index
    assert found.columns.tolist() == [*recognizer.emotions, "predicted"]
    for path, start_s, end_s in zip(files, (0.0, 0.5, 1.0), (None, 1.5, None), strict=True):
        answer = recognizer.recognize(path, start_s=start_s, end_s=end_s, timeline=False)
        row = found.loc[path].iloc[0]
        assert row["predicted"] == answer.predicted
        assert row[list(recognizer.emotions)].tolist() == pytest.approx(
            list(answer.probabilities.values()), abs=1e-5
        )


def test_files_alone_are_recognised_whole(recognizer, samples) -> None:
    files = [str(path) for path in samples]
    found = recognize_index(pd.Index(files, name="file"), recognizer)
    whole = recognize_index(segmented(files, ["0s"] * len(files), [None] * len(files)), recognizer)
    assert (found["predicted"].to_numpy() == whole["predicted"].to_numpy()).all()


def test_a_recording_that_cannot_be_read_has_no_answer_and_a_warning(recognizer, samples) -> None:
    index = pd.Index(["absent.wav", str(samples[0])], name="file")
    (failure,) = recognizer.recognize_many(["absent.wav"])
    assert isinstance(failure, Failure)
    with pytest.warns(match=r"^absent\.wav: no such file; check the path$"):
        found = recognize_index(index, recognizer)
    assert found.isna().all(axis=1).tolist() == [True, False]


def test_no_files_give_no_answers(recognizer) -> None:
    assert recognize_index(segmented([], [], []), recognizer).shape == (0, 5)


def test_another_kind_of_index_is_refused(recognizer) -> None:
    index = pd.MultiIndex.from_arrays([["a"], [1]], names=["speaker", "take"])
    with pytest.raises(CorpusError, match=r"^an index with the levels speaker, take; file, start"):
        recognize_index(index, recognizer)


def test_the_index_of_audformat_is_understood() -> None:
    audformat = pytest.importorskip("audformat", reason="the extra `dev`")
    files, starts, ends = ["a.wav", "b.wav"], ["500ms", "1s"], ["2s", pd.NaT]
    index = audformat.segmented_index(files, starts, ends)
    parts = [(each.source, each.start_s, each.end_s) for each in segments_of(index)]
    assert parts == [("a.wav", 0.5, 2.0), ("b.wav", 1.0, None)]
    assert segments_of(audformat.filewise_index(files)) == [Segment(file) for file in files]
