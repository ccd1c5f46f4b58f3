import subprocess
import sys

import pytest

from seqcap import memory

PROGRAM = """
import resource, torch
from seqcap.memory import keep_freed_memory

def faults_of_blocks():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(30):
        torch.ones(1_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

fresh = faults_of_blocks()
if keep_freed_memory():
    faults_of_blocks()  # the heap grows until every block finds a place
    kept = faults_of_blocks()
    assert kept < fresh / 5, f"{kept} page faults, {fresh} before"
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="counts page faults by getrusage")
def test_blocks_freed_before_cost_no_page_faults():
    # In a process of its own: the setting stays for the life of a process.
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)


def test_systems_other_than_linux_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False
