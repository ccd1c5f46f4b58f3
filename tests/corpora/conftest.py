from collections.abc import Callable
from pathlib import Path

import pytest
from lookalikes import SILENCE_16K, write_files, write_iemocap


@pytest.fixture(scope="session")
def iemocap_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iemocap")
    write_iemocap(folder / "IEMOCAP_full_release")
    return folder


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Path]:
    def make(names: list[str], content: bytes = SILENCE_16K) -> Path:
        return write_files(tmp_path / "corpus", names, content)

    return make
