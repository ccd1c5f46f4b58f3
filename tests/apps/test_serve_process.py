"""The service as a process of its own: how it starts, serves a foreign client, and stops."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
from service_process import start_service


@pytest.fixture
def service(model_folder):
    process, url = start_service(
        ["--model", str(model_folder), "--no-page"], stderr=subprocess.PIPE
    )
    yield process, url
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.slow
def test_hugging_faces_client_is_served_and_sigterm_finishes_requests(service, samples):
    from huggingface_hub import InferenceClient

    process, url = service
    client = InferenceClient(model=f"{url}/v1/recognize?format=huggingface")
    labels = client.audio_classification(str(samples[0]))
    assert sum(label.score for label in labels) == pytest.approx(1, abs=1e-5)

    content = samples[0].read_bytes()
    statuses = []

    def post():
        with httpx.Client(timeout=120) as own:
            statuses.append(own.post(f"{url}/v1/recognize", content=slowly(content)).status_code)

    sending = threading.Event()

    def slowly(content):
        yield content[:1000]
        sending.set()
        time.sleep(0.5)
        yield content[1000:]

    thread = threading.Thread(target=post)
    thread.start()
    assert sending.wait(60)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    thread.join()
    assert statuses == [200]
    assert process.wait(60) == 0
    told = process.stderr.read()
    assert re.fullmatch(rf"seqcap: random at {url}; Ctrl-C ends\n", told)


@pytest.mark.slow
def test_a_free_port_is_told_and_a_taken_one_refused(model_folder, seqcap):
    command = [sys.executable, "-m", "seqcap", "serve", "--port", "0", "--no-page"]
    process = subprocess.Popen(
        [*command, "--model", str(model_folder)], stderr=subprocess.PIPE, text=True
    )
    try:
        url = re.fullmatch(r"seqcap: random at (.+); Ctrl-C ends\n", process.stderr.readline())[1]
        port = url.rpartition(":")[2]
        assert httpx.get(f"{url}/healthz").json()["status"] == "ok"
        run = seqcap("serve", "--port", port, "--no-page", "--model", model_folder)
        assert run.status == 2
        assert f"127.0.0.1, port {port}: cannot be used" in run.err
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


@pytest.mark.slow
def test_it_listens_to_this_machine_alone(service):
    _, url = service
    addresses = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    for address in {a[4][0] for a in addresses} - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((address, int(url.rpartition(":")[2])), timeout=2).close()


@pytest.mark.slow
def test_a_connection_is_kept_longer_than_clients_keep_it_unused(service):
    _, url = service
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read()
    connection.auto_open = 0  # a closed connection is an error, no reason for another one
    time.sleep(7)  # httpx, and uvicorn unless told, give a connection up after 5 s
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
