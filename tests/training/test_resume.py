import zipfile
from pathlib import Path

import pandas as pd

from seqcap.training.resume import (
    join_metrics,
    keep_earlier_metrics,
    remove_corrupt_checkpoints,
)


def test_a_corrupt_checkpoint_is_removed_and_a_complete_one_kept(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "whole.ckpt", "w") as archive:
        archive.writestr("data", "x" * 1000)
    torn = (tmp_path / "whole.ckpt").read_bytes()[:500]
    (tmp_path / "torn.ckpt").write_bytes(torn)
    remove_corrupt_checkpoints(tmp_path)
    assert [file.name for file in tmp_path.glob("*")] == ["whole.ckpt"]


def test_epochs_logged_before_an_interruption_stay(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.csv"
    metrics.write_text("epoch,loss,step\n0,3,9\n1,2,19\n2,")
    keep_earlier_metrics(tmp_path)
    assert not metrics.exists()
    keep_earlier_metrics(tmp_path)  # killed again before anything was logged
    metrics.write_text("epoch,loss,step,validation_wa\n1,2,19,.5\n2,1,29,.6\n")
    join_metrics(tmp_path)
    rows = pd.read_csv(metrics)
    assert rows["epoch"].tolist() == [0, 1, 2]
    assert rows["loss"].tolist() == [3, 2, 1]
