"""What `import seqcap` promises: nothing is reported to anybody."""

import os
import subprocess
import sys

PROGRAM = """
import sys, os, seqcap
seqcap.Recognizer.from_pretrained().recognize(sys.argv[1])
if hasattr(os, "fork"):
    child = os.fork()
    status = 0 if child == 0 else os.waitpid(child, 0)[1]
    sys.exit(status)
"""


def test_completion_finds_all_names_before_they_are_used():
    program = "import seqcap; print(set(seqcap.__all__) - set(dir(seqcap)), *vars(seqcap))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    missing, *imported = run.stdout.split()
    assert missing == "set()"
    assert "Recognizer" not in imported


def test_onnxruntime_reports_nothing_and_a_forked_process_ends(tmp_path, samples):
    homes = dict.fromkeys(("TMPDIR", "HOME", "XDG_CACHE_HOME"), str(tmp_path))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(samples[0])],
        env=environment | homes,
        timeout=600,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
