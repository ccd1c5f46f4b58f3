import dataclasses
import itertools

import numpy as np
import pytest
import soundfile

from seqcap import Answer, Failure, Recognizer
from seqcap.errors import CheckpointError
from seqcap.recognition import groups, recordings
from seqcap.recognition.checkpoint import load_checkpoint
from seqcap.recognition.combination import Combination
from seqcap.recognition.model_description import load_description
from seqcap.recognition.onnx_engine import OnnxEngine


@pytest.fixture
def adapting(model_folder):
    checkpoint = load_checkpoint(model_folder)
    normalisation = checkpoint.normalisation.changed(speaker_mean_norm=1.0)
    return Recognizer(dataclasses.replace(checkpoint, normalisation=normalisation), "cpu")


@pytest.fixture
def decoded(monkeypatch):
    """Names of all sources that are decoded, each as often as it is."""
    names = []
    decode = recordings.waveform_blocks

    def count(source, *arguments, **options):
        names.append(str(source))
        return decode(source, *arguments, **options)

    monkeypatch.setattr(recordings, "waveform_blocks", count)
    return names


@pytest.fixture
def network_sizes(adapting):
    """Batch sizes of all passes of the network."""
    sizes = []
    adapting.checkpoint.system.register_forward_hook(
        lambda _, inputs, __: sizes.append(len(inputs[0]))
    )
    return sizes


def test_a_speakers_recordings_are_decoded_once_and_answered_once(
    adapting, samples, decoded, network_sizes
):
    answers = list(adapting.recognize_speaker(samples, balanced_prior=True))
    assert [answer.file for answer in answers] == [str(path) for path in samples]
    assert decoded == [str(path) for path in samples]
    assert sum(network_sizes) == len(samples)


@pytest.mark.slow
def test_several_models_decode_each_recording_once(adapting, samples, decoded):
    list(Combination([adapting, adapting]).recognize_many(samples))
    assert decoded == [str(path) for path in samples]


@pytest.mark.slow
def test_adapting_by_the_same_recordings_is_adapting_in_two_steps(adapting, samples):
    answers = list(adapting.recognize_speaker([*samples, b""]))
    expected = list(adapting.adapt_to_speaker(samples).recognize_many([*samples, b""]))
    assert answers == expected
    assert isinstance(answers[-1], Failure)
    assert answers != list(adapting.recognize_many([*samples, b""]))
    unadapted = adapting.recognize_speaker([*samples, b""], adapt=False)
    assert list(unadapted) == list(adapting.recognize_many([*samples, b""]))


@pytest.mark.slow
def test_recordings_beyond_what_memory_keeps_are_answered_alike(
    adapting, samples, decoded, monkeypatch
):
    expected = list(adapting.recognize_speaker(samples))
    decoded.clear()
    monkeypatch.setattr(groups, "_KEPT_S", 3.0)
    assert list(adapting.recognize_speaker(samples)) == expected
    assert len(decoded) > len(samples)


@pytest.fixture
def excerpts(samples):
    """Short parts of a recording, of several groups."""
    sound, rate_hz = soundfile.read(samples[0], dtype="float32")
    starts = range(0, len(sound) - rate_hz // 2, rate_hz // 100)
    parts = [(sound[start:][: rate_hz // 2], rate_hz) for start in starts]
    return list(itertools.islice(itertools.cycle(parts), 200))


def test_a_resumed_group_gives_the_same_bits(adapting):
    generator = np.random.default_rng(0)
    lengths = generator.integers(700, 3000, 70)
    sources = [(generator.normal(0, 0.1, n).astype(np.float32), 16000) for n in lengths]
    first, second = adapting.recognize_in_groups(sources)
    assert [len(first), len(second)] == [64, 6]
    assert list(adapting.recognize_in_groups(sources[64:])) == [second]


def test_groups_side_by_side_keep_their_order_and_the_bits_of_one_thread(excerpts):
    description = load_description()
    several, alone = (
        Recognizer(description, engine=OnnxEngine(description.folder, threads))
        for threads in (3, 1)
    )
    assert (several.worker_count, alone.worker_count) == (3, 1)
    sources = [*excerpts[:100], b"", *excerpts[100:]]
    answers = list(several.recognize_many(sources))
    assert isinstance(answers[100], Failure)
    assert answers == list(alone.recognize_many(sources))


def test_an_error_in_a_worker_reaches_the_caller(excerpts, monkeypatch):
    def fail(*_):
        raise CheckpointError("no graphs")

    description = load_description()
    recognizer = Recognizer(description, engine=OnnxEngine(description.folder, 2))
    monkeypatch.setattr(OnnxEngine, "run", fail)
    with pytest.raises(CheckpointError, match="no graphs"):
        list(recognizer.recognize_many(excerpts))


@pytest.mark.slow
def test_a_speaker_of_long_and_short_recordings_keeps_their_order(adapting):
    generator = np.random.default_rng(0)
    noise = [generator.uniform(-0.5, 0.5, 16000 * s).astype(np.float32) for s in (1, 61, 2)]
    answers = list(adapting.recognize_speaker([(each, 16000) for each in noise]))
    assert all(isinstance(answer, Answer) for answer in answers)
    assert [answer.end for answer in answers] == [1, 61, 2]
