"""The page in Debian's Chromium: the same answers as the command line, and no sound goes out."""

import csv
import dataclasses
import functools
import io
import json
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from chromium import chromium

from seqcap import Recognizer
from seqcap.apps.static_page import write_page
from seqcap.errors import SettingsError
from seqcap.recognition.checkpoint import load_checkpoint, save_checkpoint
from seqcap.recognition.export import export_model
from seqcap.recognition.model_folder import CARD_FILE, ENCODE_FILE, PRETRAINED_FOLDER

WAIT_MS = 120_000


@pytest.fixture(scope="module", params=["shipped", "speech only"])
def model(request, tmp_path_factory):
    """The shipped model, which has a graph for browsers; and one that uses speech only."""
    if request.param == "shipped":
        return PRETRAINED_FOLDER
    folder = tmp_path_factory.mktemp("speech") / "model"
    checkpoint = load_checkpoint()
    speech_settings = checkpoint.normalisation.changed(
        speech_only=True, high_pass_hz=20.0, trim_db=0.0
    )
    save_checkpoint(dataclasses.replace(checkpoint, normalisation=speech_settings), folder)
    shutil.copyfile(PRETRAINED_FOLDER / CARD_FILE, folder / CARD_FILE)
    export_model(folder, folder, half_weights=False)
    return folder


@pytest.fixture(scope="module")
def site(model, tmp_path_factory):
    """The page behind a web server that knows nothing but files; its address."""
    folder = tmp_path_factory.mktemp("page") / "site"
    write_page(folder, model)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(samples):
    with chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={samples[1]}",
    ) as browser:
        yield browser


@pytest.fixture
def page(browser, site):
    context = browser.new_context(accept_downloads=True, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.requests = []
    page.problems = []
    page.on("request", lambda request: page.requests.append((request.method, request.url)))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(site)
    page.locator("#record:not([disabled])").wait_for(timeout=WAIT_MS)
    yield page
    assert page.problems == []
    # Nothing but the page's own files was fetched, and nothing was sent.
    assert all(m == "GET" and url.startswith((site, "blob:")) for m, url in page.requests)
    context.close()


def wait_for_answers(page, count):
    page.locator(".answer").nth(count - 1).wait_for(timeout=WAIT_MS)


def downloaded(page, selector):
    with page.expect_download() as download:
        page.locator(selector).first.click()
    return Path(download.value.path()).read_bytes()


def rows_of(content):
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.mark.slow
def test_the_same_bytes_get_the_same_answer_as_from_the_command_line(page, model, samples):
    recognizer = Recognizer.from_pretrained(model)
    page.locator("#files").set_input_files([str(path) for path in samples])
    wait_for_answers(page, len(samples))
    rows = rows_of(downloaded(page, "#all-csv"))
    assert [row["file"] for row in rows] == [path.name for path in samples]
    for row, path in zip(rows, samples, strict=True):
        expected = recognizer.recognize(path, timeline=False)
        assert row["predicted"] == expected.predicted
        assert (float(row["start"]), float(row["end"])) == (expected.start, expected.end)
        for emotion, probability in expected.probabilities.items():
            assert float(row[emotion]) == pytest.approx(probability, abs=1e-3)


@pytest.mark.slow
def test_other_rates_and_formats_get_the_answers_of_the_command_line(
    page, model, samples, tmp_path
):
    import numpy as np
    import soundfile
    import soxr

    def sound(rate):
        return soxr.resample(soundfile.read(samples[2], dtype="float32")[0], 16000, rate)

    stereo = np.stack((sound(44100), -0.9 * sound(44100)), 1)
    made = {
        "telephone.wav": (sound(8000), 8000, "ULAW"),
        "22050.wav": (sound(22050), 22050, "PCM_16"),
        "44100.wav": (sound(44100), 44100, "PCM_16"),
        "opposed.flac": (stereo, 44100, "PCM_16"),
        "48000.mp3": (sound(48000), 48000, None),
        "vorbis.ogg": (sound(44100), 44100, "VORBIS"),
        "opus.ogg": (sound(48000), 48000, "OPUS"),
    }
    for name, (waveform, rate, subtype) in made.items():
        soundfile.write(tmp_path / name, waveform, rate, subtype=subtype)
    page.locator("#files").set_input_files([str(tmp_path / name) for name in made])
    wait_for_answers(page, len(made))
    recognizer = Recognizer.from_pretrained(model)
    for row in rows_of(downloaded(page, "#all-csv")):
        path = str(tmp_path / row["file"])
        (expected,) = recognizer.recognize_many([path], warn=False)
        assert row["warnings"] == expected.to_rows()[0]["warnings"], path
        for emotion, probability in expected.probabilities.items():
            assert float(row[emotion]) == pytest.approx(probability, abs=1e-3), path


@pytest.mark.slow
def test_the_microphone_gets_the_answer_of_what_was_recorded(page, model, tmp_path):
    page.keyboard.press("Tab")  # the first thing that the keyboard reaches
    page.keyboard.press("Enter")
    page.locator("#live-seconds", has_text=re.compile(r" of ([2-9]|\d\d)\.")).wait_for(
        timeout=WAIT_MS
    )
    assert page.locator("#live-bars [role=meter]").count() == 4
    page.keyboard.press("Enter")
    wait_for_answers(page, 1)
    recording = tmp_path / "recording.wav"
    recording.write_bytes(downloaded(page, "text=Sound as WAV"))
    (row,) = rows_of(downloaded(page, "#all-csv"))
    expected = Recognizer.from_pretrained(model).recognize(recording, timeline=False)
    assert expected.end > 2
    for emotion, probability in expected.probabilities.items():
        assert float(row[emotion]) == pytest.approx(probability, abs=1e-3)


@pytest.mark.slow
def test_the_time_line_can_be_closed(page, samples):
    page.locator("#files").set_input_files(str(samples[1]))
    wait_for_answers(page, 1)
    rows = rows_of(downloaded(page, "text=Time line as CSV"))
    assert [float(row["start"]) for row in rows] == [0, 2]
    grid = downloaded(page, "text=Time line as TextGrid").decode()
    assert grid.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n')
    assert [line.split('"')[1] for line in grid.splitlines() if " text = " in line] == [
        row["predicted"] for row in rows
    ]


@pytest.mark.slow
def test_pieces_of_a_long_recording_get_the_answers_of_the_command_line(
    page, model, samples, tmp_path
):
    import numpy as np
    import soundfile

    sounds = [soundfile.read(path, dtype="float32")[0] for path in samples]
    louder = np.concatenate([gain * sound for gain in (1, 0.1, 0.01) for sound in sounds])
    soundfile.write(tmp_path / "long.wav", louder, 16000)  # longer than one chunk of 10 s
    page.locator("#files").set_input_files(str(tmp_path / "long.wav"))
    wait_for_answers(page, 1)
    expected = Recognizer.from_pretrained(model).recognize(tmp_path / "long.wav")
    (whole,) = rows_of(downloaded(page, "#all-csv"))
    pieces = rows_of(downloaded(page, "text=Time line as CSV"))
    assert len(pieces) == len(expected.timeline) > 5
    for row, answer in zip((whole, *pieces), (expected, *expected.timeline), strict=True):
        assert (float(row["start"]), float(row["end"])) == (answer.start, answer.end)
        for emotion, probability in answer.probabilities.items():
            assert float(row[emotion] or "nan") == pytest.approx(probability, abs=1e-3, nan_ok=True)


@pytest.mark.slow
def test_warnings_are_those_of_the_command_line(page, model, samples, tmp_path):
    import numpy as np
    import soundfile

    sound, _ = soundfile.read(samples[0], dtype="float32")
    noise = np.random.default_rng(0).normal(0, 0.1, 32000)
    spectrum = np.fft.rfft(sound)
    spectrum[round(3500 * len(sound) / 16000) :] = 0
    made = {
        "clipped": np.clip(8 * sound, -1, 1),
        "opposed": np.stack((sound, -0.9 * sound), 1),
        "offset": 0.5 * sound + 0.1,
        "short": sound[8000:14000],
        "narrow": np.fft.irfft(spectrum, len(sound)),
        "noisy": noise,
        "plain": sound,
    }
    for name, samples_made in made.items():
        soundfile.write(tmp_path / f"{name}.wav", samples_made, 16000)
    files = [tmp_path / f"{name}.wav" for name in made]
    page.locator("#files").set_input_files([str(file) for file in files])
    wait_for_answers(page, len(files))
    recognizer = Recognizer.from_pretrained(model)
    expected = {
        answer.file: answer.to_rows()[0]["warnings"]
        for answer in recognizer.recognize_many(map(str, files), warn=False)
    }
    assert len(set(expected.values())) >= 6  # each kind is among them
    for row in rows_of(downloaded(page, "#all-csv")):
        assert row["warnings"] == expected[str(tmp_path / row["file"])]


@pytest.mark.slow
def test_warnings_are_shown(page, tmp_path):
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    (tmp_path / "letter.wav").write_text("hello")
    page.locator("#files").set_input_files([str(tmp_path / "silence.wav")])
    wait_for_answers(page, 1)
    assert page.locator(".predicted").inner_text() in ("uncertain", "no speech")
    assert "digital silence" in page.locator(".warning").inner_text()
    page.locator("#files").set_input_files([str(tmp_path / "letter.wav")])
    page.locator("#problem", has_text="letter.wav: not a recording").wait_for(timeout=WAIT_MS)


@pytest.mark.slow
def test_pauses_say_no_speech_where_the_model_uses_speech_only(page, model, samples, tmp_path):
    import numpy as np
    import soundfile

    sound, rate = soundfile.read(samples[1], dtype="float32")
    generator = np.random.default_rng(0)
    pause = (0.001 * generator.standard_normal(5 * rate)).astype(np.float32)
    sound = np.concatenate((sound + np.float32(0.1), pause + np.float32(0.1), sound))
    soundfile.write(tmp_path / "pause.wav", sound, rate)
    page.locator("#files").set_input_files(str(tmp_path / "pause.wav"))
    wait_for_answers(page, 1)
    rows = rows_of(downloaded(page, "text=Time line as CSV"))
    expected = Recognizer.from_pretrained(model).recognize(tmp_path / "pause.wav")
    silent = [piece.predicted == "no speech" for piece in expected.timeline]
    if Recognizer.from_pretrained(model).checkpoint.normalisation.settings.speech_only:
        assert any(silent)
        assert [row["predicted"] == "no speech" for row in rows] == silent
        assert all((row["anger"] == "") == (row["predicted"] == "no speech") for row in rows)
    else:
        assert not any(silent)


@pytest.mark.slow
def test_the_couplings_of_every_window_are_shown(page, samples):
    page.locator("#files").set_input_files(str(samples[0]))
    wait_for_answers(page, 1)
    page.get_by_text("Which moments the capsules listened to").click()
    picture = page.get_by_role("img", name="Couplings of every window")
    picture.wait_for()
    cells = picture.locator("rect[fill-opacity]")
    assert cells.count() % 4 == 0
    assert cells.count() >= 4 * 10  # 2.4 s, a window every 0.2 s


@pytest.mark.slow
def test_the_threshold_makes_answers_uncertain(page, samples):
    page.locator("#files").set_input_files(str(samples[0]))
    wait_for_answers(page, 1)
    assert page.locator(".predicted").inner_text() != "uncertain"
    page.locator("#abstain").fill("0.95")
    assert page.locator(".predicted").inner_text() == "uncertain"


@pytest.mark.slow
def test_the_card_is_one_click_away(page, model):
    page.get_by_role("button", name="What this model can and cannot do").click()
    card = page.get_by_role("dialog", name="The model's card")
    card.wait_for()
    first_line = (model / "CARD.md").read_text().splitlines()[0].removeprefix("# ")
    page.locator("#card-text", has_text=first_line).wait_for(timeout=WAIT_MS)


@pytest.mark.slow
def test_nothing_is_wider_than_a_phone(page, samples):
    page.locator("#files").set_input_files(str(samples[0]))
    wait_for_answers(page, 1)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_a_page_is_written_whole_or_not_at_all(tmp_path, model_folder):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match=r"not empty; name a new folder$"):
        write_page(tmp_path, model_folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    write_page(tmp_path / "empty", model_folder)
    about = json.loads((tmp_path / "empty" / "model" / "model.json").read_text())
    assert about["graphs"] is None
    assert (tmp_path / "empty" / "index.html").is_file()


def test_a_model_without_a_graph_is_no_page_of_its_own(seqcap, model_folder, tmp_path):
    run = seqcap("page", tmp_path / "site", "--model", model_folder)
    assert run.status == 2
    assert f"no {ENCODE_FILE}, which browsers need; 'seqcap export' writes it" in run.err
