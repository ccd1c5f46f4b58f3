from pathlib import Path

import pytest

from seqcap.errors import CheckpointError
from seqcap.recognition import model_folder
from seqcap.recognition.model_folder import (
    SETTINGS_FILE,
    WEIGHTS_FILE,
    check_model_folder,
    shipped_models,
)


def make_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in (SETTINGS_FILE, WEIGHTS_FILE):
        (folder / name).touch()
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two models, seen from an empty working directory."""
    package = make_model(tmp_path / "package")
    make_model(package / "second")
    monkeypatch.setattr(model_folder, "PRETRAINED_FOLDER", package)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return package


def test_models_inside_the_package_have_names(package: Path) -> None:
    assert shipped_models() == {"-": package, "second": package / "second"}
    assert check_model_folder() == check_model_folder("-") == package
    assert check_model_folder("second") == check_model_folder(Path("second")) == package / "second"


def test_an_own_folder_is_preferred_to_an_included_model_of_its_name(package: Path) -> None:
    own = make_model(Path("second").absolute())
    assert check_model_folder("second").absolute() == own


def test_an_unknown_name_is_refused_with_the_names_there_are(package: Path) -> None:
    with pytest.raises(CheckpointError, match=r"third: no model here; .*included model: -, second"):
        check_model_folder("third")
