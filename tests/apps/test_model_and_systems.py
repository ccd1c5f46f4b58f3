import json
import shutil

import pytest

from seqcap.errors import CheckpointError
from seqcap.models.systems import SYSTEMS
from seqcap.recognition.checkpoint import load_checkpoint


def test_systems_are_listed_in_the_papers_order_with_its_counts(seqcap):
    rows = json.loads(seqcap("systems", "--format", "json").out)
    assert [row["system"] for row in rows] == list(SYSTEMS)
    for row in rows:
        assert row["paper"] in (None, row["parameters"])


def test_the_table_of_systems_tells_the_same(seqcap):
    lines = seqcap("systems").out.splitlines()
    assert len(lines) == 1 + len(SYSTEMS)
    (line,) = [line for line in lines if line.startswith("CNN_SeqCap ")]
    assert line.split()[-2:] == ["703,540", "703,540"]


def test_a_model_shows_its_card_or_else_its_settings(seqcap, model_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    settings = json.loads(seqcap("model", folder).out)
    assert settings["system"] == "CNN_SeqCap"
    (folder / "CARD.md").write_text("# A card\n", "utf-8")
    assert seqcap("model", folder).out == "# A card\n"
    assert json.loads(seqcap("model", folder, "--format", "json").out) == settings


def test_without_torch_a_missing_model_is_refused_in_the_same_words(seqcap, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path)
    run = seqcap("model", tmp_path)
    assert (run.status, run.err) == (2, f"seqcap: {caught.value}\n")
