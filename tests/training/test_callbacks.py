from types import SimpleNamespace

import pytest

from seqcap.training import callbacks
from seqcap.training.callbacks import TrainingProgress


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: now.s)
    return now


def test_without_a_terminal_progress_is_a_line_at_the_start_and_one_a_minute(clock, capsys):
    trainer = SimpleNamespace(
        global_step=0, max_epochs=3, estimated_stepping_batches=300, is_global_zero=True,
        world_size=1, current_epoch=0,
        callback_metrics={"loss": 1.0, "validation_loss": 1.5, "validation_wa": 0.5,
                          "validation_ua": 0.25},
    )  # fmt: skip
    progress = TrainingProgress()
    progress.on_train_start(trainer, None)
    for step in range(1, 101):
        trainer.global_step, clock.s = step, step * 1.5
        progress.on_train_batch_end(trainer)
    progress.on_train_epoch_end(trainer, None)
    clock.s += 59
    progress.on_train_batch_end(trainer)
    progress.on_train_end(trainer, None)
    assert capsys.readouterr().err.splitlines() == [
        "training: 3 epochs, 300 steps",
        "step 40 of 300; 6 min left",
        "step 80 of 300; 6 min left",
        "epoch 1 of 3: loss 1.000; validation: loss 1.500, WA 0.500, UA 0.250; 5 min left",
    ]
