"""Time lines as other tools read them, read back by other means than they are written."""

import io
import math
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from seqcap import Answer
from seqcap.apps.timeline_formats import (
    as_audacity,
    as_eaf,
    as_srt,
    as_textgrid,
    as_vtt,
    tiers_of,
)
from seqcap.apps.timeline_image import as_png
from seqcap.apps.timeline_picture import as_svg
from seqcap.recognition.recordings import Segment


def piece(start, end, anger, file='a "b" & <c>.wav'):
    chances = {"anger": anger, "fear": 1 - anger}
    predicted = "no speech" if math.isnan(anger) else "anger" if anger > 0.5 else "fear"
    return Answer(file, start, end, chances, predicted)


WHOLE = Answer(
    'a "b" & <c>.wav', 0.0, 7.5, {"anger": 0.6, "fear": 0.4}, "anger",
    (piece(0.5, 2.5, 0.9), piece(2.5, 4.5, math.nan), piece(4.5, 7.0, 0.2)),
)  # fmt: skip
RESULTS = [({}, WHOLE)]
EXPECTED = [(0.5, 2.5, "anger"), (2.5, 4.5, "no speech"), (4.5, 7.0, "fear")]
TURNS = [
    ({"speaker": "A", "turn": 0}, piece(0, 2, 0.9)),
    ({"speaker": "B", "turn": 1}, piece(1, 3, 0.1)),
    ({"speaker": "A", "turn": 2}, piece(1.5, 4, 0.8)),
    ({"speaker": "A", "turn": None}, piece(0, 4, 0.85)),
]


def test_a_textgrid_covers_the_recording_without_gaps():
    numbers = re.findall(r"xmin = ([\d.]+) *\n +xmax = ([\d.]+) *\n +text = \"(.*)\"",
                         as_textgrid(RESULTS))  # fmt: skip
    found = [(float(start), float(end), text) for start, end, text in numbers]
    assert found == [(0, 0.5, ""), *EXPECTED, (7.0, 7.5, "")]
    assert 'name = "emotion"' in as_textgrid(RESULTS)
    assert "intervals: size = 5" in as_textgrid(RESULTS)


def test_a_textgrid_of_turns_is_as_long_as_the_recording(seqcap, model_folder, samples, tmp_path):
    turns, output = tmp_path / "turns.csv", tmp_path / "turns.TextGrid"
    turns.write_text("start,end,speaker\n0.2,1.2,A\n")
    run = seqcap(
        "predict", samples[0], "--segments", turns, "--output", output, "--model", model_folder
    )
    assert run.status == 0, run.err
    length_s = soundfile.info(samples[0]).duration
    assert f"\nxmax = {length_s:.3f}\n" in output.read_text()


def test_an_eaf_is_xml_with_an_annotation_for_each_piece():
    document = ET.fromstring(as_eaf(RESULTS).encode())
    slots = {
        one.get("TIME_SLOT_ID"): int(one.get("TIME_VALUE")) / 1000
        for one in document.iter("TIME_SLOT")
    }
    found = [
        (
            slots[one.get("TIME_SLOT_REF1")],
            slots[one.get("TIME_SLOT_REF2")],
            one.findtext("ANNOTATION_VALUE"),
        )
        for one in document.iter("ALIGNABLE_ANNOTATION")
    ]
    assert found == EXPECTED
    assert document.find("HEADER/MEDIA_DESCRIPTOR").get("RELATIVE_MEDIA_URL") == (
        './a "b" & <c>.wav'
    )


def test_captions_and_labels_tell_time_and_probability():
    assert as_vtt(RESULTS).startswith(
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.500\nanger 90%\n\n"
        "00:00:02.500 --> 00:00:04.500\nno speech\n\n"
    )
    assert as_srt(RESULTS).endswith("3\n00:00:04,500 --> 00:00:07,000\nfear 80%\n")
    assert as_audacity(RESULTS).splitlines()[0] == "0.500000\t2.500000\tanger 90%"


def test_speakers_have_tiers_of_their_own_that_do_not_overlap():
    tiers = tiers_of(TURNS)
    assert {name: [(one.start_s, one.end_s) for one in tier] for name, tier in tiers.items()} == {
        "A": [(0, 2), (2, 4)],
        "B": [(1, 3)],
    }
    assert "B: fear 90%" in as_srt(TURNS)
    assert "<v A>anger 90%" in as_vtt(TURNS)


def test_the_picture_shows_waveform_probabilities_and_pauses():
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000 * 8).astype(np.float32)
    noise[: 4 * 16000] *= 0.1
    svg = ET.fromstring(as_svg(WHOLE, Segment((noise, 16000)), {}).encode())
    space = "{http://www.w3.org/2000/svg}"
    (pause,) = [one for one in svg.iter(f"{space}rect") if one.get("class") == "pause"]
    assert float(pause.get("x")) == pytest.approx(50 + 930 * 2.5 / 7.5, abs=0.1)
    assert float(pause.get("width")) == pytest.approx(930 * 2 / 7.5, abs=0.1)
    (points,) = [one.get("points") for one in svg.iter(f"{space}polygon")]
    heights = np.array([float(point.split(",")[1]) for point in points.split()])[:930]
    assert 40 <= heights.min() < 45
    assert (125 - heights[:400]).max() < 0.2 * (125 - heights[600:]).max()
    paths = {one.get("class"): one.get("d") for one in svg.iter(f"{space}path")}
    start, level = re.match(r"M([\d.]+) ([\d.]+)H", paths["anger"]).groups()
    assert float(start) == pytest.approx(50 + 930 * 0.5 / 7.5, abs=0.1)
    assert float(level) == pytest.approx(40 + 170 * 0.1, abs=0.1)
    assert paths["anger"].count("M") == 2  # nothing is drawn in the pause


def test_the_image_is_the_picture_in_pixels(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000 * 8).astype(np.float32)
    noise[: 4 * 16000] *= 0.1
    content = as_png(WHOLE, Segment((noise, 16000)), {"speaker": "$A"})
    assert content == as_png(WHOLE, Segment((noise, 16000)), {"speaker": "$A"})
    pixels = np.rint(255 * imread(io.BytesIO(content), "png")[..., :3]).astype(int)
    assert pixels.shape == (520, 2000, 3)
    columns = 2 * (50 + 930 * np.array([0.25, 1.5, 3.5, 6.0, 7.25]) / 7.5)
    row = pixels[2 * 41, columns.astype(int)]  # above the lines, below the top
    assert [(cell == 0xDD).all() for cell in row] == [False, False, True, False, False]
    red = (pixels == (0xC0, 0x39, 0x2B)).all(-1)
    for time_s, share in ((1.5, 0.9), (6.0, 0.2)):
        drawn = np.flatnonzero(red[:, int(2 * (50 + 930 * time_s / 7.5))])
        assert drawn.mean() == pytest.approx(2 * (40 + 170 * (1 - share)), abs=2)
    assert not red[82:, int(2 * (50 + 930 * 3.5 / 7.5))].any()


@pytest.mark.parametrize(
    "ending", ["TextGrid", "eaf", "vtt", "srt", "labels.txt", "svg", "png", "html"]
)
def test_one_recording_is_one_file(seqcap, model_folder, samples, tmp_path, ending):
    output = tmp_path / f"a.{ending}"
    run = seqcap("predict", samples[0], "--timeline", "--output", output, "--model", model_folder)
    assert (run.status, run.err) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    assert output.stat().st_size > 20


def test_several_recordings_are_a_folder_of_files(seqcap, model_folder, samples, tmp_path):
    shutil.copy(samples[0], tmp_path / samples[1].name)  # of the same name as another
    output = tmp_path / "out"
    run = seqcap(
        "predict", *samples, tmp_path / samples[1].name, "--format", "textgrid",
        "--output", output, "--model", model_folder,
    )  # fmt: skip
    assert run.status == 0, run.err
    stems = [path.stem for path in samples]
    expected = sorted(f"{stem}.TextGrid" for stem in [*stems, f"{stems[1]}-2"])
    assert sorted(path.name for path in output.iterdir()) == expected


def test_the_page_holds_the_sound_and_needs_no_network(seqcap, model_folder, samples, tmp_path):
    import base64

    output = tmp_path / "page.html"
    assert seqcap("predict", samples[0], "--timeline", "--output", output,
                  "--model", model_folder).status == 0  # fmt: skip
    page = output.read_text("utf-8")
    links = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert links
    assert all(link.startswith("data:audio/flac;base64,") for link in links)
    content = base64.b64decode(re.search(r"base64,([^\"]+)", page)[1])
    sound, rate = soundfile.read(io.BytesIO(content))
    expected, _ = soundfile.read(samples[0])
    assert rate == 16000
    np.testing.assert_allclose(sound, expected, atol=1e-4)
    assert float(re.search(r"data-end=.([\d.]+)", page)[1]) > 1
