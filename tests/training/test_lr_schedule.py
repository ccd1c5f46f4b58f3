import pytest

from seqcap.training.lr_schedule import LossDrivenSchedule


def shares(losses: list[float], steps_per_epoch: int, fall: LossDrivenSchedule) -> list[float]:
    seen = []
    for step, loss in enumerate(losses):
        fall.update(loss, step // steps_per_epoch)
        seen.append(fall.share)
    return seen


def test_the_rate_falls_when_the_average_of_a_hundred_losses_is_a_tenth() -> None:
    losses = [1.0] * 100 + [0.09] * 100 + [0.008] * 100 + [0.0007] * 200
    seen = shares(losses, 20, LossDrivenSchedule())
    assert sorted(set(seen), reverse=True) == [1.0, 0.5, 0.2, 0.1]
    assert seen == sorted(seen, reverse=True)
    # The average of the last hundred falls under 0.1 with the 99th loss of 0.09.
    assert seen.index(0.5) == 198


def test_the_rate_stays_in_the_first_three_epochs() -> None:
    seen = shares([1.0] * 100 + [0.01] * 201, 100, LossDrivenSchedule())
    assert seen.index(0.5) == 300


def test_the_schedule_resumes_where_it_was_interrupted() -> None:
    losses = [1.0] * 100 + [0.09] * 150 + [0.005] * 150
    whole = shares(losses, 20, LossDrivenSchedule())
    first = LossDrivenSchedule()
    before = shares(losses[:170], 20, first)
    second = LossDrivenSchedule(**first.state())
    after = []
    for step, loss in enumerate(losses[170:], 170):
        second.update(loss, step // 20)
        after.append(second.share)
    assert before + after == pytest.approx(whole)
