"""Sends malformed uploads to a service: `python fuzz/uploads.py`.

Damaged recordings come as bodies and as forms, forms are damaged themselves, and parameters are odd
or missing. With the extra `fuzz`, schemathesis then draws requests from the service's own
description. Prints statuses. Exit status 1 if an answer is no JSON, has no reason in one line, or
a status of 500 and more; if the service ends; or if schemathesis finds a fault.
"""

import argparse
import collections
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from mutations import mutate
from seeds import sound_seeds

_BOUNDARY = "seqcap-boundary"
_ODD_WORDS = ("", "0", "-1", "1e9", "\x00", "ä" * 50, "9" * 5000, "null", "mix", "..", "a\nb")
_ODD_KINDS = (
    "application/octet-stream",
    "audio/wav",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=" + "x" * 300,
    "application/json",
    "text/plain; charset=utf-9",
    "",
)
# What schemathesis looks for. That a service accepts all that fits its description is left out:
# random bytes fit it, and are no recording.
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def form(content: bytes, name: str) -> bytes:
    """A form with one file."""
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


def requests(count: int, first: int) -> Iterator[dict[str, Any]]:
    """Gives the arguments of malformed requests, the same for the same numbers."""
    seeds = [content for _, content in sound_seeds()]
    form_kind = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
    for number in range(first, first + count):
        draw = random.Random(number)
        damaged = mutate(seeds[number % len(seeds)], number)
        names = ("timeline", "model", "name", "channel", "format", "unknown")
        odd = {name: draw.choice(_ODD_WORDS) for name in names if draw.random() < 0.3}
        ways: tuple[dict[str, Any], ...] = (
            {"content": damaged},
            {"content": form(damaged, f"{number}.wav"), "headers": form_kind},
            {"content": mutate(form(damaged[:3000], "a.wav"), number), "headers": form_kind},
            {"content": damaged, "params": odd},
            {"content": damaged[:3000], "headers": {"content-type": draw.choice(_ODD_KINDS)}},
        )
        yield ways[number % len(ways)]


def send_uploads(url: str, count: int, first: int) -> int:
    """Sends malformed uploads and prints the statuses; gives the number of faults."""
    statuses: collections.Counter[int] = collections.Counter()
    faults = 0
    with httpx.Client(timeout=120) as client:
        for number, request in enumerate(requests(count, first), first):
            response = client.post(f"{url}/v1/recognize", **request)
            statuses[response.status_code] += 1
            if not is_sound(response):
                faults += 1
                print(f"upload {number}: {response.status_code} {response.text[:200]}", flush=True)
        client.get(f"{url}/healthz").raise_for_status()
    counts = ", ".join(f"{times:,} x {status}" for status, times in sorted(statuses.items()))
    print(f"{count:,} malformed uploads: {counts}; {faults} faults", flush=True)
    return faults


def is_sound(response: httpx.Response) -> bool:
    """An answer, or a refusal with its reason in one line."""
    try:
        found = response.json()
    except json.JSONDecodeError:
        return False
    if response.status_code == 200:
        return isinstance(found, list)
    reason = found.get("error", "")
    return response.status_code < 500 and bool(reason) and "\n" not in reason


def draw_from_description(url: str, examples: int) -> int:
    """Lets schemathesis draw requests; gives its exit status."""
    if importlib.util.find_spec("schemathesis") is None:
        print("schemathesis is not installed: pip install -c constraints.txt -e '.[fuzz]'")
        return 0
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
    options = ["--checks", ",".join(_CHECKS), "--max-examples", str(examples), "--seed", "0"]
    options += ["--phases", "examples,coverage,fuzzing"]
    with tempfile.TemporaryDirectory() as scratch:  # it keeps what it finds where it runs
        return subprocess.run([*command, *options], cwd=scratch, check=False).returncode


def main() -> None:
    """Sends and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--uploads", type=int, default=1_000, help="malformed uploads")
    parser.add_argument("--first", type=int, default=0, help="another number: other damage")
    parser.add_argument("--examples", type=int, default=200, help="of schemathesis; 0: none")
    options = parser.parse_args()
    sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))
    from service_process import start_service

    process, url = start_service()
    try:
        faults = send_uploads(url, options.uploads, options.first)
        if options.examples:
            faults += draw_from_description(url, options.examples)
    finally:
        process.terminate()
        print(f"stopped by SIGTERM with exit status {process.wait()}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
