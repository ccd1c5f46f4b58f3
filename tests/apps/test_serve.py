import io
import json
import threading
import time

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from seqcap import Recognizer
from seqcap.apps.listen import event_row
from seqcap.apps.serve_app import ServiceSettings, make_app


@pytest.fixture(scope="module")
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder)


@pytest.fixture(scope="module")
def client(recognizer):
    with TestClient(make_app({"random": recognizer, "other": recognizer})) as client:
        yield client


def client_with(recognizer, **settings):
    return TestClient(make_app({"random": recognizer}, ServiceSettings(**settings)))


def error_of(response, status):
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    return response.json()["error"]


@pytest.fixture
def expected(seqcap, model_folder, samples):
    """What `predict --format json` says of the first sample, under the name 'a.wav'."""
    run = seqcap("predict", samples[0], "--timeline", "--format", "json", "--model", model_folder)
    (row,) = json.loads(run.out)
    for each in (row, *row["timeline"]):
        each["file"] = "a.wav"
    return row


def assert_rows_equal(row, expected):
    assert list(row) == list(expected)
    for key, value in expected.items():
        if isinstance(value, float):
            assert row[key] == pytest.approx(value, abs=1.1e-5)
        elif key == "timeline":
            for piece, expected_piece in zip(row[key], value, strict=True):
                assert_rows_equal(piece, expected_piece)
        else:
            assert row[key] == value


def test_body_and_form_get_the_answers_of_predict(client, samples, expected):
    content = samples[0].read_bytes()
    url = "/v1/recognize?timeline=true"
    for response in (
        client.post(f"{url}&name=a.wav", content=content),
        client.post(url, files={"file": ("a.wav", content, "audio/wav")}),
    ):
        assert response.status_code == 200
        (row,) = response.json()
        assert_rows_equal(row, expected)
    (row,) = client.post("/v1/recognize", content=content).json()
    assert row["file"] == "<upload>"
    assert "timeline" not in row


def test_hugging_face_clients_get_labels_and_scores(client, samples, expected):
    found = client.post("/v1/recognize?format=huggingface", content=samples[0].read_bytes()).json()
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)
    for each in found:
        assert each["score"] == pytest.approx(expected[each["label"]], abs=1.1e-5)


def test_one_channel_is_recognised_alone(client, samples, recognizer):
    waveform, rate = soundfile.read(samples[0], dtype="float32")
    other, _ = soundfile.read(samples[1], dtype="float32")
    length = min(len(waveform), len(other))
    file = io.BytesIO()
    soundfile.write(file, np.stack((waveform[:length], other[:length]), 1), rate, format="WAV")
    url = "/v1/recognize?channel"
    (row,) = client.post(f"{url}=right", content=file.getvalue()).json()
    expected = recognizer.recognize((other[:length], rate))
    for emotion, probability in expected.probabilities.items():
        assert row[emotion] == pytest.approx(probability, abs=1e-3)  # the file has 16 bits
    for wrong in ("3", "middle"):
        error_of(client.post(f"{url}={wrong}", content=file.getvalue()), 422)


def test_models_are_listed_and_chosen_by_name(client, samples, recognizer):
    assert [each["id"] for each in client.get("/v1/models").json()] == ["random", "other"]
    assert client.get("/v1/models").json()[0]["emotions"] == list(recognizer.emotions)
    content = samples[0].read_bytes()
    assert client.post("/v1/recognize?model=other", content=content).status_code == 200
    reason = error_of(client.post("/v1/recognize?model=mine", content=content), 422)
    assert reason == "model 'mine' is unknown; one of random, other is expected"


def test_models_have_the_names_of_the_command_line_too(recognizer, samples):
    app = make_app({"random": recognizer}, aliases={"runs/mine/model": "random"})
    with TestClient(app) as client:
        for name, status in (("random", 200), ("runs/mine/model", 200), ("mine", 422)):
            sent = {"params": {"model": name}, "content": samples[0].read_bytes()}
            assert client.post("/v1/recognize", **sent).status_code == status


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty body"),
        (b"hello", "<upload>: not a sound file"),
        (b"RIFF\0\0\0\0WAVEfmt ", "<upload>: "),
    ],
)
def test_invalid_audio_is_refused_with_the_reason(client, content, reason):
    assert error_of(client.post("/v1/recognize", content=content), 422).startswith(reason)


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("multipart/form-data", b"x", "a form that cannot be read (Missing boundary"),
        ("multipart/form-data; boundary=b", b"hello", "a form that cannot be read ("),
        ("multipart/form-data; boundary=b", b"--b--\r\n", "a form without a file"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
            "a form without a file",
        ),
    ],
)
def test_broken_forms_are_refused(client, kind, content, reason):
    response = client.post("/v1/recognize", content=content, headers={"content-type": kind})
    assert error_of(response, 422).startswith(reason)


def test_wrong_parameters_and_paths_are_refused(client):
    reason = error_of(client.post("/v1/recognize?timeline=perhaps&format=xml", content=b"x"), 422)
    assert reason.startswith("timeline: ")
    assert "format: " in reason
    reason = error_of(client.post("/v1/recognize?timelin=true", content=b"x"), 422)
    assert reason.startswith("parameter 'timelin' is unknown; one of timeline, model, name, ")
    assert "by POST" in error_of(client.get("/v1/recognize"), 405)
    error_of(client.get("/v1/nothing"), 404)


def test_requests_over_the_limits_are_refused(recognizer, samples):
    content = samples[0].read_bytes()
    with client_with(recognizer, greatest_bytes=1000, longest_s=0.5) as client:
        reason = error_of(client.post("/v1/recognize", content=content), 413)
        assert reason.startswith("a body of more than 1,000 bytes")
        parts = (content[i : i + 500] for i in range(0, 5000, 500))  # no length is promised
        error_of(client.post("/v1/recognize", content=parts), 413)
    with client_with(recognizer, longest_s=0.5) as client:
        reason = error_of(client.post("/v1/recognize", content=content), 422)
        assert reason.endswith("s; at most 0.5 s is allowed")


class Blocking:
    """A recognizer that answers when it may."""

    def __init__(self, recognizer):
        self.recognizer, self.may_go, self.begun = recognizer, threading.Event(), 0

    def recognize_many(self, sources, **options):
        self.begun += 1
        assert self.may_go.wait(60)
        return self.recognizer.recognize_many(sources, **options)


def post_from_threads(client, content, statuses, count):
    def post():
        statuses.append(client.post("/v1/recognize", content=content).status_code)

    threads = [threading.Thread(target=post) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_full_queue_refuses_requests_and_waiting_ones_are_batched(recognizer, samples):
    blocking, content, statuses = Blocking(recognizer), samples[0].read_bytes(), []
    settings = {"queue_length": 3}
    app = make_app({"random": blocking}, ServiceSettings(**settings))
    with TestClient(app) as client:
        threads = post_from_threads(client, content, statuses, 1)
        wait_until(lambda: blocking.begun == 1)
        threads += post_from_threads(client, content, statuses, 3)
        wait_until(lambda: app.state.service.workers.waiting_count == 3)
        response = client.post("/v1/recognize", content=content)
        assert error_of(response, 429).startswith("3 requests wait already")
        assert response.headers["retry-after"] == "1"
        assert "seqcap_queue_length 3" in client.get("/metrics").text
        blocking.may_go.set()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 4
    assert blocking.begun == 2  # the three that waited went together


def test_a_request_that_takes_too_long_is_refused(recognizer, samples):
    blocking = Blocking(recognizer)
    app = make_app({"random": blocking}, ServiceSettings(time_limit_s=0.2))
    with TestClient(app) as client:
        response = client.post("/v1/recognize", content=samples[0].read_bytes())
        assert error_of(response, 503).startswith("not done after 0.2 s")
        blocking.may_go.set()


def test_the_token_is_required(recognizer, samples):
    content = samples[0].read_bytes()
    with client_with(recognizer, token="secret") as client:
        for headers in ({}, {"authorization": "Bearer sesame"}, {"authorization": "secret"}):
            error_of(client.post("/v1/recognize", content=content, headers=headers), 401)
            error_of(client.get("/v1/models", headers=headers), 401)
            error_of(client.get("/metrics", headers=headers), 401)
        headers = {"authorization": "Bearer secret"}
        assert client.post("/v1/recognize", content=content, headers=headers).status_code == 200
        assert client.get("/healthz").json()["status"] == "ok"
        with client.websocket_connect("/v1/stream") as socket:
            assert socket.receive_json()["error"].startswith("a token is needed")


def test_pages_of_other_hosts_are_refused_unless_allowed(recognizer):
    headers = {"origin": "https://elsewhere.org"}
    with client_with(recognizer) as client:
        assert "access-control-allow-origin" not in client.get("/healthz", headers=headers).headers
        with client.websocket_connect("/v1/stream", headers=headers) as socket:
            assert (
                socket.receive_json()["error"] == "pages of https://elsewhere.org are not allowed"
            )
    with client_with(recognizer, origins=("https://elsewhere.org",)) as client:
        found = client.get("/healthz", headers=headers).headers["access-control-allow-origin"]
        assert found == "https://elsewhere.org"
        with client.websocket_connect("/v1/stream", headers=headers) as socket:
            socket.send_text("end")


def test_live_sound_gets_the_answers_of_a_stream(client, samples, recognizer):
    waveform, rate = soundfile.read(samples[1], dtype="int16")
    stream = recognizer.stream(rate, horizon_s=2.0, refresh_s=0.5)
    expected = [event_row(each) for each in stream.push(waveform) + stream.finish()]
    found = []
    with client.websocket_connect(f"/v1/stream?rate={rate}&horizon=2") as socket:
        for start in range(0, len(waveform), 5000):
            socket.send_bytes(waveform[start : start + 5000].tobytes())
        socket.send_text("end")
        while len(found) < len(expected):
            found.append(socket.receive_json())
        with pytest.raises(WebSocketDisconnect) as end:
            socket.receive_json()
    assert end.value.code == 1000
    for row, other in zip(found, expected, strict=True):
        assert_rows_equal(row, other)


def test_warnings_come_by_rest_and_websocket(client, samples, recognizer):
    waveform, rate = soundfile.read(samples[1], dtype="float32")
    clipped = np.clip(20 * waveform[8000:14000], -1, 1)
    (answer,) = recognizer.recognize_many([(clipped, rate)], warn=False)
    expected = answer.to_dict()["warnings"]
    assert {"clipped", "short"} <= set(expected)
    file = io.BytesIO()
    soundfile.write(file, clipped, rate, format="WAV", subtype="FLOAT")
    (row,) = client.post("/v1/recognize", content=file.getvalue()).json()
    assert row["warnings"] == expected
    with client.websocket_connect(f"/v1/stream?rate={rate}&samples=f32le&refresh=60") as socket:
        socket.send_bytes(clipped.astype("<f4").tobytes())
        socket.send_text("end")
        while "predicted" not in (row := socket.receive_json()):
            assert "event" in row
        assert row["warnings"] == expected


@pytest.mark.parametrize(
    ("query", "message", "reason"),
    [
        ("", "hello", 'a text that is not "end"'),
        ("", b"abc", "3 bytes; whole frames of 2"),
        ("?samples=f32le", np.full(9, np.nan, "<f4").tobytes(), "<stream>: NaN or infinite"),
        ("?rate=10", None, "<stream>: a sampling rate of 10"),
        ("?model=mine", None, "model 'mine' is unknown"),
        ("?rat=8000", None, "parameter 'rat' is unknown; one of rate, channels, "),
    ],
)
def test_invalid_live_sound_is_refused(client, query, message, reason):
    with client.websocket_connect(f"/v1/stream{query}") as socket:
        if isinstance(message, str):
            socket.send_text(message)
        elif message is not None:
            socket.send_bytes(message)
        assert socket.receive_json()["error"].startswith(reason)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


def test_the_number_of_open_streams_is_limited(recognizer):
    with (
        client_with(recognizer, stream_count=1) as client,
        client.websocket_connect("/v1/stream") as first,
    ):
        first.send_bytes(bytes(320))
        with client.websocket_connect("/v1/stream") as second:
            assert second.receive_json()["error"].startswith("1 streams are open already")
        assert "seqcap_streams 1" in client.get("/metrics").text


def test_metrics_are_published(recognizer, samples):
    with client_with(recognizer) as client:
        client.post("/v1/recognize", content=samples[0].read_bytes())
        client.post("/v1/recognize", content=b"hello")
        client.get("/v1/nothing")
        text = client.get("/metrics").text
    assert 'seqcap_requests_total{path="/v1/recognize",status="200"} 1' in text
    assert 'seqcap_requests_total{path="/v1/recognize",status="422"} 1' in text
    assert 'seqcap_requests_total{path="other",status="404"} 1' in text
    assert 'seqcap_request_seconds_bucket{le="+Inf"} 2' in text
    assert "seqcap_batches_total 1" in text


def test_the_description_names_every_path_and_status(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/v1/recognize", "/v1/models", "/healthz", "/metrics"}
    post = paths["/v1/recognize"]["post"]
    assert {"200", "401", "413", "422", "429", "503"} <= set(post["responses"])
    assert "multipart/form-data" in post["requestBody"]["content"]


def test_nothing_of_a_recording_reaches_the_disk(client, samples, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    file = io.BytesIO()
    soundfile.write(file, np.tile(soundfile.read(samples[0])[0], 30), 16000, format="WAV")
    assert len(file.getvalue()) > 2**20  # where forms go to a file
    response = client.post("/v1/recognize", files={"file": ("a.wav", file.getvalue())})
    assert response.status_code == 200
