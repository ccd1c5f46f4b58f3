"""What the docstrings of the API reference tell; `benchmarks/docstrings.py` prints the shares."""

from pathlib import Path

import pytest
from docstrings import ASPECTS, public_docstrings, reference_docstrings
from pages import ROOT

# They take minutes; the guides show the commands that call them.
WITHOUT_EXAMPLE = {
    "seqcap.experiments.engines.run_all",
    "seqcap.recognition.export.export_model",
    "seqcap.training.run.run_fold",
}


@pytest.mark.parametrize("aspect", ASPECTS)
def test_every_docstring_of_the_reference_is_complete(aspect: str) -> None:
    documented = list(reference_docstrings(ROOT))
    silent = {each.name for each in documented if each.told[aspect] is False}
    assert silent <= (WITHOUT_EXAMPLE if aspect == "example" else set())


def test_docstring_sections_are_counted(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        'def whole(votes: Tensor) -> Tensor:\n    """Does it.\n\n'
        "    Args:\n        votes: Shape ``(batch, dim)``.\n\n"
        "    Raises:\n        ValueError: None.\n\n    Example:\n        >>> whole(1)\n    "
        '"""\n    raise ValueError\n\n\n'
        'def bare(votes: Tensor) -> Tensor:\n    """Does it."""\n    raise ValueError\n'
    )
    whole, bare = public_docstrings(tmp_path)
    assert whole.name == "one.whole"
    assert all(whole.told.values())
    assert not any(bare.told.values())
