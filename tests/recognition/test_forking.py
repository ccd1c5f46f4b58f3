import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import multiprocessing
    import numpy as np
    import torch
    from seqcap import Recognizer

    torch.set_num_threads(4)
    recognizer = Recognizer.from_pretrained(device="cpu")
    sound = (np.random.default_rng(0).normal(size=64000).astype("float32") / 20, 16000)

    def recognise(_):
        return list(recognizer.recognize(sound, timeline=False).probabilities.values())

    expected = recognise(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for answer in pool.map(recognise, range(4)):
            np.testing.assert_allclose(answer, expected, atol=1e-5)
    print("all answered")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_a_pool_forked_after_a_recognition_answers():
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "all answered\n", done.stderr
