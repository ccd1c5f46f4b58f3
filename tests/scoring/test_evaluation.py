from pathlib import Path

import numpy as np
import pandas as pd

from seqcap.recognition.recognizer import Answer, Recognizer
from seqcap.scoring.evaluation import predict_table

SAMPLES = sorted(map(str, Path("samples/emodb").glob("*.wav")))[:4]


def test_an_adaptive_model_adapts_to_speakers_of_few_rows_together_and_to_no_unnamed_one() -> None:
    recognizer = Recognizer.from_pretrained("adaptive")
    speakers = ["anna", "otto", "", "ida"]
    table = pd.DataFrame({"file": SAMPLES, "start": 0.0, "end": None, "speaker": speakers})
    found = predict_table(recognizer, table)[list(recognizer.emotions)].to_numpy()
    named = [0, 1, 3]
    together = recognizer.recognize_speaker([SAMPLES[place] for place in named])
    expected = dict(zip(named, together, strict=True))
    expected[2] = recognizer.recognize(SAMPLES[2])
    for place, row in enumerate(found):
        answer = expected[place]
        assert isinstance(answer, Answer)
        np.testing.assert_allclose(row, list(answer.probabilities.values()), atol=1e-5)
