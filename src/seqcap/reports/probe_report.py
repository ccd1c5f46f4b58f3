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
        folder: Of the probe; each probe has run in a folder below that bears its name.
        probes: Which.

    Returns:
        The report.

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
    """Reads what a probe's runs have left.

    Raises:
        SettingsError: None of them is done.
    """
    (plan,) = read_plans(folder / places.name)
    if not plan.done:
        raise SettingsError(
            f"{folder / places.name}: no run is done; give the same command again, "
            "error.txt in the runs' folders says what went wrong"
        )
    return Probed(places, plan)


def probe_markdown(all_probed: Sequence[Probed]) -> str:
    """Writes the report's text, with every number and every sentence computed."""
    lines = [
        "# Does a system know where an intonation rise stands?",
        "",
        "Synthetic utterances that differ only in where a rise of pitch stands: at the beginning, "
        "in the middle or at the end (the paper's Figs. 1, 4 and 5). Speaker, vowel, loudness, "
        "noise, duration and the rise itself are drawn independently of its place. No speaker is "
        f"in two parts. Every place is as frequent as the others, so chance is {CHANCE:.3f} and "
        "WA (share of all utterances that are right, Eq. 11) equals UA (mean over places, "
        "Eq. 12); intervals are 95 %, by bootstrap over test speakers, all seeds pooled.",
        "",
        "![One utterance of each place with its pitch](figures/probe-utterances.svg)",
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
        f"Utterances of {places.duration_s[0]:g} to {places.duration_s[1]:g} s; an early or late "
        f"rise is {places.edge_s:.2f} to {places.farthest_edge_s:.2f} s from the nearer end. "
        f"{facts['utterances']} utterances of {facts['speakers']} speakers, {tested} of them "
        f"tested. Seeds {', '.join(map(str, plan.seeds))}; settings: recipe {plan.recipe}, "
        f"{', '.join(plan.overrides)}.",
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
        f"Columns {', '.join(PLACES)}: share of each place that is right. Heard at once: longest "
        "stretch of sound in which the system knows what stands beside what. Machine: "
        f"{'; '.join(machines)}.",
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
        "all so far" if field_s is None else f"{field_s:.2f} s",
        f"{len(entry.done)} of {len(entry.runs)}",
        f"{spread.pooled:.3f}{between}",
        *shares,
        f"{sum(steps_ms) / len(steps_ms):.0f} ms",
    ]
    return f"| {' | '.join(cells)} |"
