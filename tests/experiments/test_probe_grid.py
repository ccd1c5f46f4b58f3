from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from seqcap.corpora.folds import make_folds
from seqcap.errors import SettingsError
from seqcap.experiments.plan import write_plan
from seqcap.experiments.probe_grid import PROBES, Cast, choose_probes, plan_probe, sketch
from seqcap.experiments.probe_grid import write_probe_corpus as write
from seqcap.experiments.probe_voice import PLACES, Places, Voice, speak
from seqcap.experiments.worker import JobContext, State, run_job
from seqcap.models.capsules import CapsuleSettings
from seqcap.reports.entry_scores import Spread
from seqcap.reports.probe_findings import _finding, receptive_field_s
from seqcap.reports.probe_report import write_probe_report

TINY = Places("near", duration_s=(0.68, 0.7), distance_s=0.2, jitter_s=0.02)
CAST = Cast(train=1, validation=1, test=2, takes=1)


def test_the_rise_is_at_its_position_and_the_pitch_is_flat_elsewhere() -> None:
    for places in PROBES.values():
        for number, place in enumerate(PLACES):
            one = sketch(places, "train", 3, 0, place)
            duration_s = len(one.waveform) / 16000
            assert places.duration_s[0] - 0.01 <= duration_s <= places.duration_s[1] + 0.01
            wanted_s = duration_s / 2 + (number - 1) * places.distance_s
            found_s = one.times_s[one.pitch_hz.argmax()]
            assert abs(found_s - wanted_s) <= places.jitter_s + 0.01
            high = one.pitch_hz > 1.001 * one.pitch_hz.min()
            assert high.mean() * duration_s <= places.width_s[1]
            assert 4 / 3 < one.pitch_hz.max() / one.pitch_hz.min() < 2.01


def test_the_spectrum_of_the_sound_follows_the_contour() -> None:
    calm = Places("calm", duration_s=(1.0, 1.0), distance_s=0.2, jitter_s=0.0)
    one = speak(Voice(150.0, 1.0, 6.0), calm, "late", np.random.default_rng(0))
    flat = one.waveform[1600:8000]
    peaks_hz = np.fft.rfftfreq(len(flat), 1 / 16000)
    magnitudes = np.abs(np.fft.rfft(flat * np.hanning(len(flat))))
    loudest_hz = peaks_hz[magnitudes.argmax()]
    harmonic = loudest_hz / one.pitch_hz[0]
    assert abs(harmonic - round(harmonic)) < 0.05


def test_only_the_position_depends_on_the_position() -> None:
    """The same draws at another place: same voice, duration, flat pitch, height and width."""
    voice = Voice(120.0, 1.0, 6.0)
    places = PROBES["far"]
    early, late = (
        speak(voice, places, place, np.random.default_rng(7)) for place in ("early", "late")
    )
    assert len(early.waveform) == len(late.waveform)
    np.testing.assert_allclose(early.pitch_hz.min(), late.pitch_hz.min())
    np.testing.assert_allclose(early.pitch_hz.max(), late.pitch_hz.max(), rtol=1e-3)
    shift = round(2 * places.distance_s * 200)
    np.testing.assert_allclose(early.pitch_hz[:-shift], late.pitch_hz[shift:])


def test_a_window_reaches_near_rises_and_not_far_ones() -> None:
    """With `far`, the receptive field of CNN_SeqCap holds no end of the utterance beside a rise."""
    assert receptive_field_s("CNN_SeqCap") <= PROBES["far"].edge_s
    assert receptive_field_s("CNN") > PROBES["far"].farthest_edge_s
    assert receptive_field_s("CNN_SeqCap") > PROBES["near"].farthest_edge_s
    wide = CapsuleSettings(window_steps=40, shift_steps=20, primary_stride=2)
    assert receptive_field_s("CNN_SeqCap", wide) == pytest.approx(1.87)
    assert receptive_field_s("CNN_GRU") is None
    assert receptive_field_s("CNN_GRU-SeqCap") is None


@pytest.mark.parametrize(
    ("system", "probe", "interval", "words"),
    [
        (
            "CNN",
            "near",
            (0.9, 1.0),
            "CNN distinguishes the positions. Its receptive field is 1.23 s",
        ),
        ("CNN", "near", (0.2, 0.4), "has not learned to in this training"),
        ("CNN_SeqCap", "far", (0.3, 0.4), "CNN_SeqCap is at chance, as expected"),
        ("CNN_SeqCap", "far", (0.5, 0.6), "Something else reveals the position"),
        ("CNN_RecCap", "far", (0.5, 0.6), "CNN_RecCap distinguishes the positions. Its state"),
        ("CNN_RecCap", "far", (0.3, 0.4), "could distinguish them, but has not learned"),
    ],
)
def test_findings_follow_from_results(
    system: str, probe: str, interval: tuple[float, float], words: str
) -> None:
    spread = Spread(np.mean(interval), 0.0, float(np.mean(interval)), interval)
    assert words in _finding(system, receptive_field_s(system), PROBES[probe], spread)


def test_speakers_are_in_one_part_and_a_second_writing_changes_nothing(tmp_path: Path) -> None:
    table = write(TINY, CAST, tmp_path)
    before = {file: Path(file).stat().st_mtime_ns for file in table["file"]}
    pd.testing.assert_frame_equal(write(TINY, CAST, tmp_path), table)
    assert before == {file: Path(file).stat().st_mtime_ns for file in table["file"]}
    (fold,) = make_folds(table, "split")
    assert (fold.train, fold.validation, fold.test) == (
        ("train00",), ("validation00",), ("test00", "test01"),
    )  # fmt: skip
    assert table.groupby(["speaker", "emotion"]).size().eq(1).all()


def test_what_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="probe 'nera' is unknown; one of near, far"):
        choose_probes(["nera"])
    table = write(TINY, CAST, tmp_path)
    with pytest.raises(SettingsError, match="system 'CNN' came twice"):
        plan_probe(TINY, table, ["CNN", "CNN"], [0], [])
    with pytest.raises(SettingsError, match="setting 'epoch' is unknown"):
        plan_probe(TINY, table, ["CNN"], [0], ["epoch=1"])


@pytest.mark.slow
def test_a_probe_is_run_and_its_report_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    folder = tmp_path / TINY.name
    table = write(TINY, CAST, folder)
    plan = plan_probe(TINY, table, ["LSTM_Cap", "CNN_SeqCap"], [0], ["epochs=3"])
    write_plan(plan, folder, "seqcap experiment probe")
    with pytest.raises(SettingsError, match="near: no run is done"):
        write_probe_report(tmp_path, [TINY])
    for run in plan.runs:
        assert run_job(JobContext(table, folder), run) is State.DONE
    contents = []
    for _ in range(2):
        report = write_probe_report(tmp_path, [TINY])
        figures = sorted((tmp_path / "figures").iterdir())
        contents.append([file.read_bytes() for file in (report, *figures)])
    assert contents[0] == contents[1]
    text = contents[0][0].decode()
    assert "| CNN_SeqCap | 0.67 s | 1 of 1 | " in text
    assert "| LSTM_Cap | all frames so far | 1 of 1 | " in text
    assert "Fig. 5: position-aware capsules keep the position of a rise: " in text
    assert "6 utterances are tested" in text
    assert [file.name for file in figures] == ["probe-results.svg", "probe-utterances.svg"]
    for file in figures:
        ElementTree.fromstring(file.read_bytes())
