"""What can be compared: runs, entries of experiments, and tables of predictions of other tools."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from seqcap.corpora.columns import with_canonical_columns, with_canonical_values
from seqcap.corpora.emotions import EMOTIONS, canonical_emotion, canonical_spellings
from seqcap.errors import SettingsError
from seqcap.experiments.packed_runs import PEERS_FILE, read_parquet
from seqcap.experiments.run_files import read_run_folder
from seqcap.reports.experiment_results import EntryResults, PlanResults, read_plans
from seqcap.reports.experiment_runs import DONE, FAILED, NO_SEED, Run, as_run, average_seeds
from seqcap.scoring.balanced_prior import balance_prior

# What the names of derived entries end with.
AVERAGED = ", seeds averaged"
BALANCED = ", balanced prior"
# Version 0.1.0 asked for them in the argument itself; both endings, in this order.
_FIRST_BALANCED = ", emotions evened"

_TRUTH = ("truth", "target")  # beside what a corpus table calls its emotions
_EMOTION = ("emotion", "label")
_PREDICTED = ("predicted", "prediction", "pred")


@dataclass(frozen=True)
class Predictions:
    """One source's predictions.

    Attributes:
        name: Its name in the table.
        answers: Columns file, start, speaker, truth, predicted, fold, seed, all text; unknown
            values are empty.
        emotions: What it can answer; empty if only its predictions are known, which need not
            contain all of them.
        test_share: Size of the test part divided by that of the training part; None if unknown.

    Example:
        >>> Predictions("svm", pd.DataFrame({"file": ["1.wav"]}), (), None).name
        'svm'
    """

    name: str
    answers: pd.DataFrame
    emotions: tuple[str, ...]
    test_share: float | None


def read_compared(
    argument: str, average: bool = False, balanced: bool = False
) -> list[Predictions]:
    """Reads what an argument of `compare` names.

    Args:
        argument: Folder of a run; folder of an experiment (all its entries), or that with a colon
            and the label of one entry (or its grid, a slash and the label); CSV with predictions;
            Parquet file with the predictions of several peers, or that with a colon and a name.
        average: Add the mean of the seeds' probabilities for each entry of an experiment that
            has two seeds or more.
        balanced: Correct the class prior of each speaker in the entries of experiments.

    Raises:
        SettingsError: Nothing of the kind is there.
        CorpusError: A CSV without files or with times that are none.

    Example:
        >>> read_compared("nothing")
        Traceback (most recent call last):
        ...
        seqcap.errors.SettingsError: nothing: no such thing; a run's folder, an experiment's ...
    """
    path = Path(argument)
    if path.is_dir() and (path / "plans").is_dir():
        entries = _all_entries(path)
    elif path.is_dir() and (path / "test.csv").is_file():
        return [_runs(path)]
    elif path.is_file():
        return read_peers(path) if path.suffix == PEERS_FILE.suffix else [read_predictions(path)]
    else:
        source, label = _parted(argument)
        if source.is_file():
            return [_one_peer(source, label)]
        label, first_balanced = _without(label, _FIRST_BALANCED)
        label, first_average = _without(label, AVERAGED)
        entry = _one_entry(source, label, argument)
        if first_average:  # in place of the entry
            return [_predictions(_averaged(entry, argument), balanced or first_balanced)]
        balanced = balanced or first_balanced
        entries = [entry]
    compared = []
    for entry in entries:
        compared.append(_predictions(entry, balanced))
        if average and len({run.seed for run in entry.entry.runs}) > 1:
            compared.append(_predictions(_averaged(entry, argument), balanced))
    return compared


def _parted(argument: str) -> tuple[Path, str]:
    """Parts an argument at the colon behind an experiment's folder or a file of peers."""
    for place, letter in enumerate(argument):
        source = Path(argument[:place])
        is_peers = source.suffix == PEERS_FILE.suffix and source.is_file()
        if letter == ":" and (is_peers or (source / "plans").is_dir()):
            return source, argument[place + 1 :]
    if Path(argument).is_dir():
        raise SettingsError(
            f"{argument}: no results here; 'test.csv' of a run that has ended, or 'plans/' of an "
            "experiment, is expected in it"
        )
    raise SettingsError(
        f"{argument}: no such thing; a run's folder, an experiment's folder, FOLDER:LABEL, or a "
        "table (.csv, .parquet) with columns file and predicted is expected"
    )


def _without(label: str, ending: str) -> tuple[str, bool]:
    return label.removesuffix(ending), label.endswith(ending)


def read_peers(path: Path) -> list[Predictions]:
    """Reads the predictions of several peers from one Parquet file, as `pack` writes it.

    Args:
        path: With the columns of a CSV of predictions, and `peer`, the name of each.

    Raises:
        SettingsError: It cannot be read, or has no predictions.
    """
    table = read_parquet(path)
    if "peer" not in table:
        raise SettingsError(f"{path}: no column 'peer'; a file that 'pack' wrote is expected")
    return [
        _predictions_of(rows.drop(columns="peer").astype(str), str(path), str(name))
        for name, rows in table.groupby("peer", sort=False)
    ]


def _one_peer(path: Path, name: str) -> Predictions:
    peers = {one.name: one for one in read_peers(path)}
    if name not in peers:
        raise SettingsError(f"{path}: no peer '{name}'; there are {', '.join(peers)}")
    return peers[name]


def read_predictions(path: Path) -> Predictions:
    """Reads a table of predictions under the column names and spellings that are in use.

    Args:
        path: CSV with a file, what was predicted, and if it can be told the truth, the speaker,
            start, fold and seed.

    Raises:
        SettingsError: It cannot be read, or has no predictions.
        CorpusError: No column for the file, or times that are none.
    """
    return _predictions_of(_read_words(path), str(path), path.stem)


def _predictions_of(table: pd.DataFrame, path: str, name: str) -> Predictions:
    folded = {str(column).strip().casefold(): str(column) for column in table.columns}
    predicted = next((folded[name] for name in _PREDICTED if name in folded), None)
    if predicted is None:
        raise SettingsError(
            f"{path}: columns {', '.join(folded.values())}; one named "
            f"{' or '.join(_PREDICTED)} is expected"
        )
    truth = next((folded[name] for name in _TRUTH if name in folded), None)
    if truth is not None:
        table = table.drop(columns=folded.get("emotion", []))
        table = table.rename(columns={truth: "emotion"})
    elif not any(name in folded for name in _EMOTION):
        table = table.assign(emotion="")  # others may know the truth
    folds = table.pop(folded["fold"]) if "fold" in folded else ""
    seeds = table.pop(folded["seed"]) if "seed" in folded else str(NO_SEED)
    table = with_canonical_columns(table.rename(columns={predicted: "predicted"}), path)
    spellings = canonical_spellings([*table["emotion"], *table["predicted"]])
    for column in ("emotion", "predicted"):
        table[column] = table[column].map(lambda word: spellings.get(word, word.strip()))
    table = with_canonical_values(table, path).assign(fold=folds, seed=seeds)
    numbers = pd.to_numeric(table["seed"], errors="coerce")
    answers = _answers(table, table["fold"], numbers.fillna(NO_SEED).astype(int))
    emotions = _emotions_of(table, answers)
    told = any(answers["truth"]) or any(canonical_emotion(str(column)) for column in table)
    return Predictions(name, answers, emotions if told else (), None)


@dataclass(frozen=True)
class _NamedEntry:
    """An entry of a plan, and what it is called beside others."""

    plan: PlanResults
    entry: EntryResults
    name: str


def _all_entries(folder: Path) -> list[_NamedEntry]:
    there: dict[tuple[str, ...], tuple[PlanResults, EntryResults]] = {}
    for plan in (plans := read_plans(folder)):
        for entry in plan.done:
            there.setdefault(_identity(plan, entry), (plan, entry))
    labels = [entry.label for _, entry in there.values()]
    if not labels:
        raise SettingsError(f"{folder}: no run is done; {_why(plans)}")
    return [
        _NamedEntry(plan, entry, f"{folder.name}:{_unique(plan, entry, labels)}")
        for plan, entry in there.values()
    ]


def _one_entry(folder: Path, label: str, argument: str) -> _NamedEntry:
    plans = read_plans(folder)
    found: dict[tuple[str, ...], tuple[PlanResults, EntryResults]] = {}
    for plan in plans:
        for entry in plan.entries:
            if label in (entry.label, f"{plan.grid}/{entry.label}"):
                found.setdefault(_identity(plan, entry), (plan, entry))
    if not found:
        labels = dict.fromkeys(entry.label for plan in plans for entry in plan.entries)
        raise SettingsError(f"{argument}: no entry '{label}'; there are {', '.join(labels)}")
    if len(found) > 1:
        ways = ", ".join(f"{folder}:{plan.grid}/{label}" for plan, _ in found.values())
        raise SettingsError(f"{argument}: grids have other runs of it; one of {ways} is expected")
    ((plan, entry),) = found.values()
    if not entry.done:
        raise SettingsError(f"{argument}: no run of it is done; {_why([plan], label)}")
    return _NamedEntry(plan, entry, f"{folder.name}:{label}")


def _why(plans: Sequence[PlanResults], label: str = "") -> str:
    """Says why nothing is done yet: what failed, or that it is still to come."""
    failed = [
        run
        for plan in plans
        for entry in plan.entries
        for run in entry.runs
        if run.state == FAILED and label in ("", entry.label, f"{plan.grid}/{entry.label}")
    ]
    if not failed:
        return "wait for one or more"
    first = failed[0]
    return f"{len({run.key for run in failed})} failed, {first.fold} s{first.seed}: {first.error}"


def _averaged(one: _NamedEntry, argument: str) -> _NamedEntry:
    count = len({run.seed for run in one.entry.runs})
    if count < 2:
        raise SettingsError(f"{argument}: one seed; an entry with two or more is expected")
    averaged = replace(one.entry, runs=average_seeds(one.entry.runs, one.plan.emotions))
    if not averaged.done:
        raise SettingsError(
            f"{argument}: no fold has all {count} seeds done; {_why([one.plan], one.entry.label)}"
        )
    return replace(one, entry=averaged, name=one.name + AVERAGED)


def _predictions(one: _NamedEntry, balanced: bool) -> Predictions:
    runs = one.entry.done
    if balanced:
        runs = tuple(replace(run, test=balance_prior(run.test, one.plan.emotions)) for run in runs)
    name = one.name + (BALANCED if balanced else "")
    return Predictions(name, _answers_of(runs), one.plan.emotions, one.plan.test_share(runs))


def _identity(plan: PlanResults, entry: EntryResults) -> tuple[str, ...]:
    """What tells entries of several grids apart: their runs, or what follows from which runs."""
    parts = [entry]
    while any(one.of for one in parts):
        parts = [
            part for one in parts for part in plan.entries if part.label in (one.of or [one.label])
        ]
    return (entry.label if entry.of else "", *(run.name for one in parts for run in one.runs))


def _unique(plan: PlanResults, entry: EntryResults, labels: Sequence[str]) -> str:
    return entry.label if labels.count(entry.label) == 1 else f"{plan.grid}/{entry.label}"


def _runs(folder: Path) -> Predictions:
    """Reads one run, or all that `seqcap train --fold all` left in a folder."""
    one = (folder / "settings.json").is_file()
    folders = [folder] if one else sorted(file.parent for file in folder.glob("*/settings.json"))
    runs = []
    for each in folders:
        run = as_run(read_run_folder(each), "", NO_SEED)
        if run.state != DONE:
            state = f"{run.state} ({run.error})" if run.error else run.state
            raise SettingsError(f"{each}: {state}; a run that is done is expected")
        made = run.provenance
        runs.append(replace(run, fold=made["fold"]["name"], seed=made["settings"]["seed"]))
    if not runs:
        raise SettingsError(f"{folder}: no run in it; a folder with settings.json is expected")
    training = [len(r.provenance["files"]) - len(r.validation) - len(r.test) for r in runs]
    shares = [len(r.test) / count for r, count in zip(runs, training, strict=True) if count > 0]
    answers = _answers_of(runs)
    share = sum(shares) / len(shares) if shares else None
    return Predictions(folder.name, answers, _emotions_of(runs[0].test, answers), share)


def _answers_of(runs: Sequence[Run]) -> pd.DataFrame:
    return pd.concat([_answers(run.test, run.fold, run.seed) for run in runs], ignore_index=True)


def _answers(
    table: pd.DataFrame, fold: "str | pd.Series[str]", seed: "int | pd.Series[int]"
) -> pd.DataFrame:
    kept = table[["file", "start", "speaker", "emotion", "predicted"]]
    return kept.rename(columns={"emotion": "truth"}).assign(fold=fold, seed=seed)


def _emotions_of(table: pd.DataFrame, answers: pd.DataFrame) -> tuple[str, ...]:
    """Emotions that occur, and those that have a column of their own."""
    columns = {canonical_emotion(str(name)) or "" for name in table.columns}
    found = (columns | {*answers["truth"], *answers["predicted"]}) - {""}
    known = [emotion for emotion in EMOTIONS if emotion in found]
    return (*known, *sorted(found - set(known)))


def _read_words(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max(",;\t", key=header.count)
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise SettingsError(
            f"{path}: cannot be read as a table: {' '.join(str(error).split())}; CSV with a "
            "header is expected"
        ) from error
    if table.empty:
        raise SettingsError(f"{path}: no rows; a header and one row an utterance are expected")
    return table
