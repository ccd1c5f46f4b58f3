"""Starts `seqcap` commands as forks of one process that has imported what they need.

Commands come as lines of JSON; for each, a line with the process's number goes back, and one with
its exit status once it has ended. So a hundred kills do not wait for a hundred imports.
"""

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
from typing import Any


def fork_jobs() -> dict[str, Any]:
    """Forks a process for each command; comes back in that process only, with its command."""
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        process_id = os.fork()
        if not process_id:
            return job
        print(json.dumps(process_id), flush=True)
        _, status = os.waitpid(process_id, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
    sys.exit()


def become(job: dict[str, Any]) -> None:
    """Makes this process look as if a shell had started the command."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["folder"])
    os.environ["TMPDIR"] = job["scratch"]
    tempfile.tempdir = None
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(os.open(job["errors"], os.O_WRONLY), 2)
    if job["largest_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_bytes"], resource.RLIM_INFINITY))
    sys.argv = ["seqcap", *job["arguments"]]


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    command = fork_jobs()
    become(command)
    from seqcap.__main__ import main

    main()
