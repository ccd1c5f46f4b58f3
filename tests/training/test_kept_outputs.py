import dataclasses

from seqcap import Recognizer
from seqcap.recognition.torch_engine import TorchEngine
from seqcap.training.kept_outputs import KeptOutputs


def test_another_temperature_needs_no_second_pass(model_folder, samples, monkeypatch):
    recognizer = Recognizer.from_pretrained(model_folder, device="cpu", engine="torch")
    cooler = dataclasses.replace(recognizer.checkpoint, temperature=1.0)
    expected = [list(each.recognize_many(samples)) for each in (recognizer, Recognizer(cooler))]
    kept = KeptOutputs(recognizer.engine)
    first = list(Recognizer(recognizer.checkpoint, engine=kept).recognize_many(samples))
    monkeypatch.setattr(TorchEngine, "run", None)  # it would fail
    kept.rewind()
    second = list(Recognizer(cooler, engine=kept).recognize_many(samples))
    assert [first, second] == expected
    assert first != second
