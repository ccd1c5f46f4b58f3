import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr

from seqcap.audio.waveform import load_waveform
from seqcap.corpora.fingerprints import FINGERPRINTS_FILE, load_fingerprints
from seqcap.errors import AudioWarning, CorpusError
from seqcap.scoring.seen_recordings import seen_recordings
from seqcap.training.known_recordings import refuse_known_recordings, write_fingerprints


def as_table(files: list[Path], ends: list[float] | None = None) -> pd.DataFrame:
    """Rows under names of one's own."""
    return pd.DataFrame(
        {
            "file": [str(file) for file in files],
            "start": 0.0,
            "end": ends or [np.nan] * len(files),
            "speaker": [f"me-{file.stem[:2]}" for file in files],
        }
    )


def by_telephone(file: Path, folder: Path) -> Path:
    waveform = load_waveform(file)[3000:]
    path = folder / f"call{file.stem[-2]}.wav"
    soundfile.write(path, soxr.resample(waveform, 16000, 8000), 8000, subtype="ULAW")
    return path


@pytest.fixture(scope="module")
def model(
    tmp_path_factory: pytest.TempPathFactory, model_folder: Path, samples: list[Path]
) -> Path:
    """One that has heard the first speaker."""
    folder = tmp_path_factory.mktemp("heard") / "model"
    shutil.copytree(model_folder, folder)
    write_fingerprints(as_table(samples[:4]), "", folder)
    return folder


def test_recordings_are_recognised_by_fingerprint(
    model: Path, model_folder: Path, samples: list[Path], tmp_path: Path
) -> None:
    table = as_table([by_telephone(samples[1], tmp_path), samples[4], samples[0]])
    table.index = pd.Index([7, 8, 9])
    assert seen_recordings(model, table).to_dict() == {7: True, 8: False, 9: True}
    assert not seen_recordings(model_folder, table).any()  # made before there were fingerprints


def test_equal_warnings_of_compared_recordings_are_one(
    model: Path, samples: list[Path], tmp_path: Path
) -> None:
    files = [tmp_path / f"clipped{place}.wav" for place in range(3)]
    for file, path in zip(files, samples, strict=False):
        soundfile.write(file, np.clip(8 * load_waveform(path), -1, 1), 16000)
    with pytest.warns(AudioWarning) as caught:
        seen_recordings(model, as_table(files))
    told = [str(each.message) for each in caught]
    assert len(told) == 1
    assert told[0].startswith("3 recordings (")


def test_recordings_that_the_initial_model_learned_from_are_refused_in_validation_and_test(
    model: Path, samples: list[Path], tmp_path: Path
) -> None:
    nothing = as_table(samples[:0])
    refuse_known_recordings("", nothing, as_table(samples))
    refuse_known_recordings(str(model), as_table(samples[4:5]), as_table(samples[5:]))
    known = by_telephone(samples[2], tmp_path)
    with pytest.raises(CorpusError) as refused:
        refuse_known_recordings(str(model), nothing, as_table([samples[4], known]))
    assert str(refused.value) == (
        f"the initial model {model} was trained on recordings of the validation or test part (by "
        f"fingerprint): {known}; move their speakers into the training part, or choose another "
        "initial model"
    )


def test_speakers_who_validated_the_initial_model_validate_again_and_test_never(
    model: Path, samples: list[Path]
) -> None:
    table = as_table(samples[:1]).assign(speaker="anna")
    refuse_known_recordings(str(model), table, table[:0], ["anna"])
    for validation, test in ((table[:0], table), (table.assign(speaker="otto"), table[:0])):
        with pytest.raises(CorpusError, match="was trained on recordings"):
            refuse_known_recordings(str(model), validation, test, ["anna"])


def test_fingerprints_of_the_initial_model_are_kept(
    model: Path, samples: list[Path], tmp_path: Path
) -> None:
    write_fingerprints(as_table(samples[4:6], ends=[1.2, 1.3]), str(model), tmp_path)
    both = load_fingerprints(tmp_path / FINGERPRINTS_FILE)
    assert both is not None
    assert len(both) == 4 + 2
    assert both.counts[4:].max() <= (1.3 * 16000 - 4096) // 768 - 1
