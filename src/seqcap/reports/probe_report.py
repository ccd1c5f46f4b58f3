"""The position probe's report, from result files only; the same results give the same bytes."""

from collections.abc import Sequence
from pathlib import Path

from seqcap.errors import SettingsError
from seqcap.experiments.probe_voice import PLACES, Places
from seqcap.files import atomic_write
from seqcap.reports.entry_scores import confusions_of, speakers_of
from seqcap.reports.experiment_results import EntryResults, read_plans
from seqcap.reports.probe_figures import draw_results, draw_utterances
from seqcap.reports.probe_findings import (
    CHANCE,
    Probed,
    accuracy,
    findings,
    on_the_argument,
    trained_receptive_field_s,
)

REPORT_FILE = "probe.md"


def write_probe_report(folder: Path, probes: Sequence[Places]) -> Path:
    """Writes `probe.md` and its figures.

    Args:
        folder: Folder of the probe, with a folder for each probe, of its name.
        probes: The probes to report on.

    Returns:
        Path of the report.

    Raises:
        SettingsError: No run of a probe is done.
    """
    all_probed = [read_probe(folder, places) for places in probes]
    figures = {
        "probe-utterances.svg": draw_utterances(probes),
        "probe-results.svg": draw_results(all_probed),
    }
    for name, svg in figures.items():
        with atomic_write(folder / "figures" / name) as scratch:
            scratch.write_text(svg, "utf-8")
    with atomic_write(folder / REPORT_FILE) as scratch:
        scratch.write_text(probe_markdown(all_probed), "utf-8")
    return folder / REPORT_FILE


def read_probe(folder: Path, places: Places) -> Probed:
    """Reads the runs of a probe.

    Args:
        folder: Folder of all probes.
        places: The probe.

    Raises:
        SettingsError: No run is done.
    """
    (plan,) = read_plans(folder / places.name)
    if not plan.done:
        raise SettingsError(
            f"{folder / places.name}: no run is done; error.txt in each run's folder gives the "
            "reason; run the same command again"
        )
    return Probed(places, plan)


def probe_markdown(all_probed: Sequence[Probed]) -> str:
    """Gives the text of the report, with all numbers and findings computed.

    Args:
        all_probed: The probes with results.
    """
    lines = [
        "# Does a system know the position of an intonation rise?",
        "",
        "The utterances are synthetic. They differ only in the position of a pitch rise: at the "
        "beginning, in the middle or at the end (the paper's Figs. 1, 4 and 5). Speaker, vowel, "
        "loudness, noise, duration and the rise itself are drawn independently of the position. "
        "No speaker is in two parts.",
        "",
        f"All positions are equally frequent, so chance is {CHANCE:.3f}. Accuracy (WA, Eq. 11) "
        "equals unweighted average recall (UA, Eq. 12). Intervals are 95 %, by bootstrap over test "
        "speakers, all seeds pooled.",
        "",
        "![One utterance of each position with its pitch](figures/probe-utterances.svg)",
        "",
        "![Accuracy and learning curves](figures/probe-results.svg)",
        "",
        "## The paper's argument",
        "",
        *[f"- {sentence}" for sentence in on_the_argument(list(all_probed))],
    ]
    for probed in all_probed:
        lines += ["", *_section(probed)]
    return "\n".join(lines) + "\n"


def _section(probed: Probed) -> list[str]:
    places, plan = probed.places, probed.plan
    facts = plan.corpus_facts
    tested = len(plan.done[0].done[0].test)
    lines = [
        f"## {places.name}",
        "",
        f"Utterances are {places.duration_s[0]:g} to {places.duration_s[1]:g} s long. An early or "
        f"late rise is {places.edge_s:.2f} to {places.farthest_edge_s:.2f} s from the nearer end. "
        f"There are {facts['utterances']} utterances of {facts['speakers']} speakers; {tested} "
        f"utterances are tested. Seeds: {', '.join(map(str, plan.seeds))}. Settings: recipe "
        f"{plan.recipe}, {', '.join(plan.overrides)}.",
        "",
        f"| system | receptive field | seeds done | accuracy | {' | '.join(PLACES)} | step |",
        f"|---|--:|--:|--:|{'--:|' * len(PLACES)}--:|",
    ]
    lines += [_row(probed, entry) for entry in plan.done]
    machines = sorted({run.resources["machine"] for entry in plan.done for run in entry.done})
    return [
        *lines,
        "",
        *[f"- {sentence}" for sentence in findings(probed)],
        "",
        f"Columns {', '.join(PLACES)}: recall of each position. Receptive field: longest segment "
        f"of audio in which the system knows the order of events. Machine: {'; '.join(machines)}.",
    ]


def _row(probed: Probed, entry: EntryResults) -> str:
    spread = accuracy(probed, entry.label)
    between = "" if spread.interval is None else " ({:.3f} to {:.3f})".format(*spread.interval)
    confusion = confusions_of(entry.done, probed.plan.emotions, speakers_of(entry.done)).sum(axis=0)
    shares = [f"{row[i] / row.sum():.3f}" for i, row in enumerate(confusion)]
    field_s = trained_receptive_field_s(entry)
    steps_ms = [run.resources["step_ms"] for run in entry.done]
    cells = [
        entry.label,
        "all frames so far" if field_s is None else f"{field_s:.2f} s",
        f"{len(entry.done)} of {len(entry.runs)}",
        f"{spread.pooled:.3f}{between}",
        *shares,
        f"{sum(steps_ms) / len(steps_ms):.0f} ms",
    ]
    return f"| {' | '.join(cells)} |"
