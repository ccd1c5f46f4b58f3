"""The position probe, Figs. 1, 4 and 5: does a system know where an intonation rise stands?

Two synthetic corpora. In `near` every early or late rise has an end of the utterance close by; in
`far` none is as close as a window of the sequential capsules is long. Each is an experiment of its
own below the probe's folder: `seqcap experiment report` reads it like any other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import SettingsError
from seqcap.experiments.grid import Entry, Grid
from seqcap.experiments.plan import Plan, make_plan
from seqcap.experiments.probe_voice import PLACES, Places, Sketch, draw_voice, speak
from seqcap.files import atomic_write

# Both: rises of 0.2 s, and a jitter that covers whole shifts of windows where it can, so that the
# grid of windows tells nothing.
PROBES = {
    places.name: places
    for places in (
        Places("near", duration_s=(0.68, 0.8), distance_s=0.2, jitter_s=0.02),
        Places("far", duration_s=(2.18, 2.3), distance_s=0.2, jitter_s=0.1),
    )
}
PROBE_SYSTEMS = ("CNN", "CNN_SeqCap", "CNN_RecCap")
PROBE_SEEDS = (0, 1, 2)

# Whole utterances as they are: crops and speed would move the rise. The rest is what all three
# systems learn by in so few steps; without test speakers.
_OVERRIDES = (
    "augment=false",
    "segment_s=3.0",
    "sampling_balance=0.0",
    "label_smoothing=0.0",
    "mixup=0.0",
    "batch_size=8",
    "epochs=16",
    "learning_rate=1e-3",
    "ema_decay=0.9",
    "choose='loss'",
    "trim_db=0.0",
)


@dataclass(frozen=True)
class Cast:
    """How many synthetic speakers there are, none in two parts, and what each of them says.

    Attributes:
        train: Who trains.
        validation: Who validates.
        test: Who tests.
        takes: Utterances of a speaker for each place of the rise.
    """

    train: int = 32
    validation: int = 10
    test: int = 20
    takes: int = 2


def choose_probes(names: Iterable[str]) -> list[Places]:
    """Finds probes by name; all of them if there is none.

    Args:
        names: Of probes; may be empty.

    Raises:
        SettingsError: An unknown name.

    Example:
        >>> [probe.name for probe in choose_probes([])]
        ['near', 'far']
    """
    chosen = list(names) or list(PROBES)
    for name in chosen:
        if name not in PROBES:
            raise SettingsError(
                f"probe '{name}' is unknown; one of {', '.join(PROBES)} is expected"
            )
    return [PROBES[name] for name in dict.fromkeys(chosen)]


def sketch(places: Places, part: str, speaker: int, take: int, place: str) -> Sketch:
    """Makes one utterance of a probe; the same arguments give the same one, always.

    Args:
        places: The probe.
        part: train, validation or test.
        speaker: Number of the speaker in that part.
        take: Number of the utterance among the speaker's of this place.
        place: One of ``PLACES``.
    """
    who = (*part.encode(), speaker)
    voice = draw_voice(np.random.default_rng(who))
    what = (*who, take, PLACES.index(place), *places.name.encode())
    return speak(voice, places, place, np.random.default_rng(what))


def write_probe_corpus(places: Places, cast: Cast, folder: Path) -> pd.DataFrame:
    """Writes a probe's recordings, unless they are there, and gives its corpus table.

    Args:
        places: The probe.
        cast: Who speaks.
        folder: Of the probe; the recordings go to ``corpus/`` in it.

    Returns:
        A table as `seqcap.corpora.table.read_table` gives it, with the part in `split`.
    """
    rows = []
    for part in ("train", "validation", "test"):
        for speaker in range(getattr(cast, part)):
            for take in range(cast.takes):
                for place in PLACES:
                    file = folder / "corpus" / f"{part}{speaker:02d}-{place}{take}.wav"
                    if not file.is_file():
                        waveform = sketch(places, part, speaker, take, place).waveform
                        with atomic_write(file) as scratch:
                            soundfile.write(scratch, waveform, SAMPLE_RATE_HZ)
                    rows.append((str(file), f"{part}{speaker:02d}", place, part))
    table = pd.DataFrame(rows, columns=["file", "speaker", "emotion", "split"])
    return table.assign(start=0.0, end=np.nan, session="", corpus=f"probe-{places.name}")


def plan_probe(
    places: Places,
    table: pd.DataFrame,
    systems: Sequence[str],
    seeds: Sequence[int],
    overrides: Sequence[str],
) -> Plan:
    """Lists the runs of a probe: every system with every seed.

    Args:
        places: The probe.
        table: As `write_probe_corpus` gives it.
        systems: Names of systems.
        seeds: Of the trainings.
        overrides: Settings that win over the probe's.

    Raises:
        SettingsError: Settings that cannot be, or a system that is named twice.
    """
    for system in systems:
        if systems.count(system) > 1:
            raise SettingsError(f"system '{system}' came twice; each is expected once")
    grid = Grid(
        name=f"probe-{places.name}",
        title=f"Position probe '{places.name}': where does the rise of pitch stand?",
        purpose=(
            "Synthetic utterances that differ only in where a rise of pitch stands (Figs. 1, 4 "
            "and 5). The 'emotions' are the places."
        ),
        shows=("table5", "significance", "confusions", "curves", "speakers", "cost"),
        labels=",".join(PLACES),
        folds="split",
        seeds=tuple(seeds),
        recipe="default",
        overrides=_OVERRIDES,
        last_overrides=tuple(overrides),
        entries=tuple(Entry(system, system) for system in systems),
    )
    return make_plan(grid, table)
