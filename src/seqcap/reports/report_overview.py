"""A grid's data and settings, which of its runs are done, and what they cost."""

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from seqcap.reports.experiment_results import EntryResults, PlanResults
from seqcap.reports.experiment_runs import BEGUN, DONE, FAILED, WAITING
from seqcap.reports.report_blocks import NOTHING, Block, Table, Text, listed, number

_OTHERWISE = ("system", "seed")  # what a grid varies anyway
_STATES = (DONE, FAILED, BEGUN, WAITING)


def overview(plan: PlanResults) -> list[Block]:
    """Says which data and settings a grid has, and which runs are missing.

    Args:
        plan: With or without results.
    """
    blocks: list[Block] = []
    if plan.purpose:
        # The comment goes on with its command, set in, and what else is for those who run it.
        why = itertools.takewhile(lambda line: not line.startswith(" "), plan.purpose.splitlines())
        blocks.append(Text(" ".join(why)))
    facts = plan.corpus_facts
    rows = [
        ("corpus", f"{plan.corpus_name}, {facts['utterances']:,} utterances of "
                   f"{facts['speakers']} speakers"),
        ("labels", plan.label_set),
        ("folds", plan.folds),
        ("seeds", listed(plan.seeds)),
        ("recipe", plan.recipe + (f", with {', '.join(plan.overrides)}" if plan.overrides else "")),
        ("command", f"`{plan.command}`"),
    ]  # fmt: skip
    blocks.append(Table(("setting", ""), tuple(rows), left=2))
    if any(entry.runs for entry in plan.entries):
        blocks += [*_states(plan), *_origin(plan)]
    return blocks


def cost(plan: PlanResults) -> list[Block]:
    """Time and memory of each system, by the runs that measured them."""
    rows = []
    for entry in plan.trained:
        resources = [run.resources for run in entry.done]
        rows.append(
            (
                entry.label,
                listed(sorted({f"{one['parameters']:,}" for one in resources})),
                number(_median(resources, "step_ms"), 0),
                number(_median(resources, "training_steps"), 0),
                number(_median(resources, "training_s") / 60, 1),
                number(_median(resources, "testing_s"), 1),
                number(max(one["peak_memory_mb"] for one in resources), 0),
                str(len(resources)),
            )
        )
    header = (
        "system", "parameters", "step / ms", "steps", "training / min",
        "testing / s", "peak memory / MB", "runs",
    )  # fmt: skip
    machines = {run.resources["machine"] for entry in plan.trained for run in entry.done}
    return [
        Text(
            "Medians over runs; of memory the highest peak. A step is one batch. Testing is the "
            "validation and the test part, with decoding. After an interruption, only the time "
            "since the last start is counted. Machine: "
            f"{'; '.join(sorted(machines))}. Other work on the same machine slows runs down."
        ),
        Table(header, tuple(rows)),
    ]


def _states(plan: PlanResults) -> list[Block]:
    missing = [
        entry
        for entry in plan.entries
        if len(entry.done) < len(entry.runs) and not entry.is_of_unknown_speakers
    ]
    planned = sum(len(entry.runs) for entry in plan.entries if not entry.of)
    there = sum(len(entry.done) for entry in plan.entries if not entry.of)
    if not missing:
        return [Text(f"Complete: all {planned} runs are done.")]
    rows = []
    for entry in missing:
        counts = Counter(run.state for run in entry.runs)
        lacking = [f"{run.fold} s{run.seed}" for run in entry.runs if run.state != DONE]
        rows.append((entry.label, _shortened(lacking), *(str(counts[state]) for state in _STATES)))
    blocks: list[Block] = [
        Text(
            f"**Incomplete: {there} of {planned} runs are done.** Means of incomplete entries are "
            "over fewer folds or seeds and cannot be compared with those of complete entries. "
            "Tests use only the folds and seeds that both sides have. Begun: running now or "
            "interrupted. Waiting: not begun."
        ),
        Table(("entry", "missing", *_STATES), tuple(rows), left=2),
    ]
    errors: dict[tuple[str, str], list[str]] = {}
    for entry in missing:
        for run in entry.runs:
            if run.state == FAILED and not entry.of:
                failed = errors.setdefault((entry.label, run.error), [])
                failed.append(f"{run.fold} s{run.seed}")
    if errors:
        told = ((label, _shortened(failed), error) for (label, error), failed in errors.items())
        blocks.append(Table(("entry", "failed", "error"), tuple(told), left=3))
    return blocks


def _origin(plan: PlanResults) -> list[Block]:
    made = [run.provenance for entry in plan.trained for run in entry.done]
    if not made:
        return []
    different = _different_settings(plan)
    shared = sorted({speaker for one in made for speaker in one["shared_speakers"]})
    commits = sorted({one["commit"] or "unknown" for one in made})
    blocks: list[Block] = [
        Text(
            f"Made by seqcap {_all(made, 'seqcap')}, torch {_all(made, 'torch')}, Python "
            f"{_all(made, 'python')}, commit {listed(commits)}; "
            f"table {listed(sorted({one['table_sha256'][:12] for one in made}))} (SHA-256)."
        )
    ]
    if different:
        blocks += [
            Text("Settings in which entries differ from most others:"),
            Table(("entry", "settings"), tuple(different.items()), left=2),
        ]
    if shared:
        blocks.append(
            Text(
                f"**Speakers in more than one part: {listed(shared)}.** The scores do not show how "
                "well unseen speakers are recognised."
            )
        )
    return blocks


def _different_settings(plan: PlanResults) -> dict[str, str]:
    """Lists by entry the settings whose values are not those of most entries.

    Earlier runs lack later settings, which is the same as leaving one off.
    """
    made = {
        entry.label: [_with_a_say(run.provenance["settings"]) for run in entry.done]
        for entry in plan.trained
    }
    every = [settings for of_entry in made.values() for settings in of_entry]
    values: dict[str, dict[str, str]] = {}  # by setting and entry
    for name in dict.fromkeys(name for settings in every for name in settings):
        later = any(name not in settings for settings in every)
        for label, of_entry in made.items():
            told = [(one.get(name) or NOTHING) if later else one[name] for one in of_entry]
            words = dict.fromkeys(str(value) or NOTHING for value in told)
            values.setdefault(name, {})[label] = " or ".join(words)
    usual = {
        name: Counter(by_entry.values()).most_common(1)[0][0] for name, by_entry in values.items()
    }
    differing = [
        name
        for name, by_entry in values.items()
        if len(set(by_entry.values())) > 1 and name not in _OTHERWISE
    ]
    table = {}
    for label in made if differing else ():
        own = [name for name in differing if values[name][label] != usual[name]]
        table[label] = ", ".join(f"{name}={values[name][label]}" for name in own) or NOTHING
    return table


def _with_a_say(settings: Mapping[str, Any]) -> dict[str, Any]:
    flat = _flat(settings)
    if flat["epochs"]:
        flat.pop("min_steps", None)
    return flat


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _all(made: Iterable[Mapping[str, Any]], program: str) -> str:
    return listed(sorted({one["versions"][program] for one in made}))


def _shortened(words: list[str], shown: int = 4) -> str:
    more = len(words) - shown
    return ", ".join(words[:shown]) + (f" and {more} more" if more > 0 else "") or NOTHING


def _median(resources: list[Mapping[str, Any]], key: str) -> float:
    return float(statistics.median(one[key] for one in resources))


def parameters_of(entry: EntryResults) -> int | None:
    """Parameters as its runs counted them; None where no run is done."""
    counts = {run.resources["parameters"] for run in entry.done if run.resources}
    return counts.pop() if len(counts) == 1 else None
