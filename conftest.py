"""What the tests of several rooms share: the samples and a model with random weights."""

from pathlib import Path

import hypothesis
import numpy as np
import pytest

# No test depends on time.
hypothesis.settings.register_profile("seqcap", deadline=None)
hypothesis.settings.load_profile("seqcap")

ROOT = Path(__file__).parent
RECOGNITION = ROOT / "src" / "seqcap" / "recognition"

# Examples that need the shipped model wait for it.
collect_ignore = (
    [] if (RECOGNITION / "pretrained").exists() else [str(RECOGNITION / "recognizer.py")]
)


@pytest.fixture(scope="session")
def samples() -> list[Path]:
    """Real speech of two speakers, in alphabetical order."""
    return sorted((ROOT / "samples" / "emodb").glob("*.wav"))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was never trained, and is sure of itself all the same."""
    from seqcap.audio.normalisation import Normalisation
    from seqcap.models.capsules import CapsuleSettings
    from seqcap.models.systems import build
    from seqcap.recognition.checkpoint import Checkpoint, save_checkpoint

    folder = tmp_path_factory.mktemp("random") / "model"
    generator = np.random.default_rng(0)
    checkpoint = Checkpoint(
        system=build("CNN_SeqCap", 4, seed=0).eval(),
        system_name="CNN_SeqCap",
        capsule_settings=CapsuleSettings(),
        emotions=("neutral", "anger", "happiness", "sadness"),
        normalisation=Normalisation(
            generator.normal(-2, 1, 512).astype(np.float32),
            generator.uniform(1, 2, 512).astype(np.float32),
        ),
        temperature=0.1,  # so that answers differ from one another
        name="random",
        provenance={"corpora": []},
    )
    save_checkpoint(checkpoint, folder)
    return folder
