"""How fast is the service compared with the bare model, and what happens under overload?

    python benchmarks/service.py [--seconds 20] [--length 3]
    python benchmarks/service.py --overload-only 600

The service runs with one recognition thread in its own process, pinned to one core where the
system allows it. This process is the client, on another core, over the loopback interface. Printed
are requests a second, compared with the bare model; the median and the 99th percentile of response
times at half that load; and statuses and memory with four times as many clients as the queue
holds. `--overload-only` measures only the latter, for some seconds, and memory ten times on the
way. Refused clients try again after half a second.
"""

import argparse
import asyncio
import collections
import io
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import psutil
import soundfile
from inference import speech
from service_process import start_service

QUEUE = 16


def recording(length_s: float) -> bytes:
    """A WAV file of speech: the samples of EMO-DB, as often as it takes."""
    file = io.BytesIO()
    samples = speech(math.ceil(length_s))[: round(16000 * length_s)]
    soundfile.write(file, samples, 16000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def pin(core: int) -> None:
    """Keeps this process and its children on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[min(core, len(cores) - 1)]})


_BARE = """
import sys, time
from seqcap.recognition.recognizer import Recognizer
content, seconds = open(sys.argv[1], "rb").read(), float(sys.argv[2])
recognizer = Recognizer.from_pretrained()
list(recognizer.recognize_many([content] * 8, warn=False))
count, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    count += len(list(recognizer.recognize_many([content] * 8, warn=False)))
print(count / (time.perf_counter() - start))
"""


def bare_rate(path: str, seconds: float) -> float:
    """Recordings a second of the model alone, in batches of eight as the service makes them."""
    process = subprocess.Popen(
        [sys.executable, "-c", _BARE, path, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: pin(0),
    )
    return float(process.communicate()[0])


async def ask_at_once(
    url: str, content: bytes, clients: int, seconds: float, pause_s: float = 0.05
) -> tuple[float, collections.Counter[str]]:
    """Lets so many clients ask one after the other; answers a second, and statuses."""
    statuses: collections.Counter[str] = collections.Counter()
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None)) as client:
        start = time.perf_counter()

        async def ask() -> None:
            while time.perf_counter() - start < seconds:
                try:
                    response = await client.post(f"{url}/v1/recognize", content=content)
                except httpx.TransportError as error:  # the connection broke
                    statuses[type(error).__name__] += 1
                    continue
                statuses[str(response.status_code)] += 1
                if response.status_code == 429:
                    await asyncio.sleep(pause_s)  # refused

        await asyncio.gather(*(ask() for _ in range(clients)))
        return statuses["200"] / (time.perf_counter() - start), statuses


async def ask_at_rate(url: str, content: bytes, rate: float, seconds: float) -> list[float]:
    """Asks so often, evenly; seconds of each answer."""
    durations: list[float] = []
    async with httpx.AsyncClient(timeout=120) as client:

        async def ask() -> None:
            start = time.perf_counter()
            response = await client.post(f"{url}/v1/recognize", content=content)
            response.raise_for_status()
            durations.append(time.perf_counter() - start)

        asked = []
        for _ in range(round(rate * seconds)):
            asked.append(asyncio.create_task(ask()))
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*asked)
    return durations


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--overload-only", type=float, metavar="SECONDS", help="nothing else")
    parser.add_argument("--length", type=float, default=3, help="of the recording, s")
    options = parser.parse_args()
    content = recording(options.length)
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.overload_only:
        with running_service() as (process, url):
            overload(process, url, content, options.overload_only)
        return
    path = f"/tmp/seqcap-service-{os.getpid()}.wav"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(content)
    try:
        bare = bare_rate(path, options.seconds)
    finally:
        os.unlink(path)  # noqa: PTH108
    with running_service() as (process, url):
        measure(process, url, content, bare, options.seconds)


@contextmanager
def running_service() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A service on one core, this process on another."""
    options = ["--no-page", "--queue", str(QUEUE)]
    process, url = start_service(options, before_start=lambda: pin(0))
    pin(1)
    try:
        yield process, url
    finally:
        process.terminate()
        print(f"stopped by SIGTERM with exit status {process.wait()}")


def overload(process: "subprocess.Popen[str]", url: str, content: bytes, seconds: float) -> None:
    """Prints statuses and memory while four times as many ask as may wait."""
    asyncio.run(ask_at_once(url, content, QUEUE, seconds / 10, 0.5))  # warm
    statuses: collections.Counter[str] = collections.Counter()
    sizes = [psutil.Process(process.pid).memory_info().rss]
    for _ in range(10):
        _, found = asyncio.run(ask_at_once(url, content, 4 * QUEUE, seconds / 10, 0.5))
        statuses += found
        sizes.append(psutil.Process(process.pid).memory_info().rss)
    counts = ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))
    print(f"overload of {seconds:g} s: {counts}")
    print("memory, MiB: " + " ".join(f"{size / 2**20:.0f}" for size in sizes), flush=True)


def measure(
    process: "subprocess.Popen[str]", url: str, content: bytes, bare: float, seconds: float
) -> None:
    """Prints the figures of a service that runs."""
    asyncio.run(ask_at_once(url, content, 8, 2))  # warm
    served, _ = asyncio.run(ask_at_once(url, content, QUEUE, seconds))
    print(f"bare model {bare:.1f} recordings a second, service {served:.1f}: {served / bare:.0%}")
    durations = asyncio.run(ask_at_rate(url, content, served / 2, seconds))
    half, slow = np.percentile(durations, [50, 99])
    print(f"at half load: p50 {1000 * half:.0f} ms, p99 {1000 * slow:.0f} ms")
    memory = psutil.Process(process.pid).memory_info().rss
    rate, statuses = asyncio.run(ask_at_once(url, content, 4 * QUEUE, 2 * seconds))
    grown = psutil.Process(process.pid).memory_info().rss - memory
    counts = ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))
    print(f"overload: {counts}; {rate:.1f} answers a second; memory +{grown / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
