"""What the position probe found, in sentences that follow from its results alone."""

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
        plan: Its runs, as far as they are done.
    """

    places: Places
    plan: PlanResults


def receptive_field_s(system: str, settings: CapsuleSettings | None = None) -> float | None:
    """Longest stretch of sound in which a system knows the order of events.

    Stretches are combined in any order. None: it carries a state through the utterance, so
    there is no such bound.

    Args:
        system: One of ``SYSTEMS``, or your own.
        settings: Of its capsules; the paper's if None.

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
    """Receptive field of an entry, with the settings that it was trained with.

    Args:
        entry: With at least one finished run.
    """
    trained = entry.done[0].provenance["settings"]["capsules"]
    return receptive_field_s(entry.system, CapsuleSettings(**trained))


def findings(probed: Probed) -> list[str]:
    """Says of each system whether it tells the places apart and why, and of neighbours which leads.

    Returns:
        A sentence for each system, then one for each pair of neighbours of whom one tells the
        places apart.
    """
    plan = probed.plan
    told = [
        _finding(
            entry.label,
            trained_receptive_field_s(entry),
            probed.places,
            accuracy(probed, entry.label),
        )
        for entry in plan.done
    ]
    hashed_settings = {e.label for e in plan.done if is_above_chance(accuracy(probed, e.label))}
    for first, second in zip(plan.done, plan.done[1:], strict=False):
        if hashed_settings.isdisjoint({first.label, second.label}):
            continue  # guesses are not compared with guesses
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
        told.append(
            f"{second.label} is {verdict} {first.label}: {100 * tests.wa.difference:+.1f} points "
            f"({100 * low:+.1f} to {100 * high:+.1f})."
        )
    return told


def accuracy(probed: Probed, label: str) -> Spread:
    """Share of test utterances that an entry is right in, with its interval over speakers."""
    (entry,) = (entry for entry in probed.plan.done if entry.label == label)
    return score_entry(entry, probed.plan.emotions).wa


def is_above_chance(spread: Spread) -> bool:
    """Says whether the interval lies above a third."""
    return spread.interval is not None and spread.interval[0] > CHANCE


def _finding(label: str, field_s: float | None, places: Places, spread: Spread) -> str:
    tells = is_above_chance(spread)
    about = f"{label} {'tells the places apart' if tells else 'is at chance'}"
    if field_s is None:
        memory = "what came before is carried along through the utterance"
        return (
            f"{about}: {memory}."
            if tells
            else f"{about}: {memory}, so it could tell; it has not learnt it in this training."
        )
    edge = f"its receptive field has {field_s:.2f} s"
    if field_s <= places.edge_s:
        return (
            f"{about} though {edge} and no end of the utterance is nearer to a rise than "
            f"{places.edge_s:.2f} s: something else tells the place; do not trust this probe."
            if tells
            else f"{about}, as it must be: {edge}, no end of the utterance is nearer to a rise "
            f"than {places.edge_s:.2f} s, and the order of its fields is not used."
        )
    near = f"the end of an utterance, {places.edge_s:.2f} to {places.farthest_edge_s:.2f} s off"
    return (
        f"{about}: {edge}, an early or late rise together with {near}."
        if tells
        else f"{about}: {edge}, an early or late rise together with {near}, so it could tell; it "
        "has not learnt it in this training."
    )


def on_the_argument(all_probed: list[Probed]) -> list[str]:
    """Holds the paper's argument (Figs. 4 and 5, Sec. IV-C) against what was seen."""
    claims = {
        "CNN": ("Fig. 4: pooling leaves a CNN without the place of a rise", False),
        "CNN_SeqCap": ("Fig. 5: position-aware capsules keep the place of a rise", True),
        "CNN_RecCap": ("Sec. IV-C: the recurrent connection knows what came before", True),
    }
    told = []
    for label, (claim, expected) in claims.items():
        seen = [
            f"{'holds' if is_above_chance(accuracy(probed, label)) == expected else 'fails'} in "
            f"'{probed.places.name}'"
            for probed in all_probed
            if label in {entry.label for entry in probed.plan.done}
        ]
        if seen:
            told.append(f"{claim}: {', '.join(seen)}.")
    return told
