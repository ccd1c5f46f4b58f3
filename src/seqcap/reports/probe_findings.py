"""Findings of the position probe, in sentences computed from its results."""

from dataclasses import dataclass

from seqcap.audio.spectrogram import FRAMES_PER_S, SHIFT_SAMPLES, WINDOW_SAMPLES
from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.experiments.probe_voice import PLACES, Places
from seqcap.models.capsules import CapsuleBranch, CapsuleSettings
from seqcap.models.satt import PooledBranch
from seqcap.models.systems import build
from seqcap.reports.entry_scores import Spread, compare_entries, score_entry
from seqcap.reports.experiment_results import EntryResults, PlanResults

CHANCE = 1 / len(PLACES)


@dataclass(frozen=True)
class Probed:
    """One probe with its results.

    Attributes:
        places: The probe.
        plan: Its finished runs.
    """

    places: Places
    plan: PlanResults


def receptive_field_s(system: str, settings: CapsuleSettings | None = None) -> float | None:
    """Gives the longest segment of audio in which a system knows the order of events.

    Beyond it, the system combines segments without their order.

    Args:
        system: One of ``SYSTEMS``, or your own.
        settings: Settings of the capsules; the paper's if None.

    Returns:
        Seconds. None for a recurrent system, which has no such bound.

    Example:
        >>> [receptive_field_s(system) for system in ("CNN", "CNN_SeqCap", "CNN_RecCap")]
        [1.23, 0.67, None]
    """
    built = build(system, len(PLACES), settings, seed=0)
    (branch, *others) = built.branches
    if others:
        return None
    if isinstance(branch, PooledBranch):
        steps = 1
    elif isinstance(branch, CapsuleBranch) and branch.recurrent_weight is None:
        steps = branch.settings.window_steps
    else:
        return None
    frames = (steps + 2 * built.cnn.context_steps) * built.cnn.frames_per_step
    # A frame is longer than the shift to the next.
    overhang_s = (WINDOW_SAMPLES - SHIFT_SAMPLES) / SAMPLE_RATE_HZ
    return round(frames / FRAMES_PER_S + overhang_s, 3)


def trained_receptive_field_s(entry: EntryResults) -> float | None:
    """Gives the receptive field of an entry, with the settings of its training.

    Args:
        entry: An entry with at least one finished run.

    Returns:
        As `receptive_field_s`.
    """
    trained = entry.done[0].provenance["settings"]["capsules"]
    return receptive_field_s(entry.system, CapsuleSettings(**trained))


def findings(probed: Probed) -> list[str]:
    """States whether each system distinguishes the positions and why, and compares neighbours.

    Args:
        probed: A probe with at least one finished run.

    Returns:
        A sentence for each system, then one for each pair of neighbours of which at least one is
        above chance.
    """
    plan = probed.plan
    sentences = [
        _finding(
            entry.label,
            trained_receptive_field_s(entry),
            probed.places,
            accuracy(probed, entry.label),
        )
        for entry in plan.done
    ]
    above_chance = {e.label for e in plan.done if is_above_chance(accuracy(probed, e.label))}
    for first, second in zip(plan.done, plan.done[1:], strict=False):
        if above_chance.isdisjoint({first.label, second.label}):
            continue  # two systems at chance are not compared
        tests = compare_entries(first, second, plan.emotions, plan.test_share(second.done))
        if tests is None or tests.wa_interval is None:
            continue
        low, high = tests.wa_interval
        verdict = (
            "more often right than"
            if low > 0
            else "less often right than"
            if high < 0
            else "not shown to differ from"
        )
        sentences.append(
            f"{second.label} is {verdict} {first.label}: {100 * tests.wa.difference:+.1f} points "
            f"({100 * low:+.1f} to {100 * high:+.1f})."
        )
    return sentences


def accuracy(probed: Probed, label: str) -> Spread:
    """Gives the accuracy of an entry on test speakers, with its interval over speakers.

    Args:
        probed: A probe with results.
        label: Name of the entry.
    """
    (entry,) = (entry for entry in probed.plan.done if entry.label == label)
    return score_entry(entry, probed.plan.emotions).wa


def is_above_chance(spread: Spread) -> bool:
    """Says whether the whole interval lies above chance, a third."""
    return spread.interval is not None and spread.interval[0] > CHANCE


def _finding(label: str, field_s: float | None, places: Places, spread: Spread) -> str:
    succeeds = is_above_chance(spread)
    about = f"{label} {'distinguishes the positions' if succeeds else 'is at chance'}"
    not_learned = "It could distinguish them, but has not learned to in this training."
    if field_s is None:
        why = f"{about}. Its state carries earlier frames through the utterance."
        return why if succeeds else f"{why} {not_learned}"
    field = f"Its receptive field is {field_s:.2f} s"
    edge = f"a rise is at least {places.edge_s:.2f} s from the nearer end"
    if field_s <= places.edge_s:
        return (
            f"{about}. {field}, and {edge}. Something else reveals the position: do not trust this "
            "probe."
            if succeeds
            else f"{about}, as expected. {field}, {edge}, and the order of its segments is not "
            "used."
        )
    why = (
        f"{about}. {field}. It can cover an early or late rise and the nearer end of the "
        f"utterance, which is {places.edge_s:.2f} to {places.farthest_edge_s:.2f} s away."
    )
    return why if succeeds else f"{why} {not_learned}"


def on_the_argument(all_probed: list[Probed]) -> list[str]:
    """Compares the paper's argument (Figs. 4 and 5, Sec. IV-C) with the results.

    Args:
        all_probed: The probes with results.

    Returns:
        A sentence for each claim that was tested.
    """
    claims = {
        "CNN": ("Fig. 4: pooling removes the position of a rise from a CNN", False),
        "CNN_SeqCap": ("Fig. 5: position-aware capsules keep the position of a rise", True),
        "CNN_RecCap": ("Sec. IV-C: the recurrent connection carries earlier context", True),
    }
    sentences = []
    for label, (claim, expected) in claims.items():
        seen = [
            f"{'holds' if is_above_chance(accuracy(probed, label)) == expected else 'fails'} in "
            f"'{probed.places.name}'"
            for probed in all_probed
            if label in {entry.label for entry in probed.plan.done}
        ]
        if seen:
            sentences.append(f"{claim}: {', '.join(seen)}.")
    return sentences
