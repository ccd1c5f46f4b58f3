"""The record of a run (settings, fold, data, versions), and the run name that follows from it."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import seqcap
from seqcap.corpora.fold import Fold
from seqcap.corpora.labels import LabelSet
from seqcap.corpora.provenance import below_shared_folder, file_hashes, table_hash
from seqcap.models.systems import source_hash
from seqcap.training.fine_tuning import describe_init_model
from seqcap.training.settings import TrainingSettings, hashed_settings

_KEYS = ("settings", "fold", "label_set", "table_sha256", "files", "system_source", "versions")


def run_key(provenance: dict[str, Any]) -> str:
    """Hashes everything that can change a run's result.

    Args:
        provenance: As `describe_run` gives it.

    Returns:
        SHA-256, 64 hexadecimal digits.
    """
    what = {key: provenance[key] for key in _KEYS} | {
        "settings": hashed_settings(provenance["settings"])
    }
    if provenance.get("started_from"):  # absent from earlier runs
        what["started_from"] = provenance["started_from"]["weights_sha256"]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def run_name(provenance: dict[str, Any]) -> str:
    """Gives the name of a run's folder, readable and unique for all practical purposes.

    Args:
        provenance: As `describe_run` gives it.

    Returns:
        System, fold, seed and 12 digits of the key, as in ``CNN_GRU-paper-1-s0-0123456789ab``.
    """
    settings = provenance["settings"]
    system = re.sub(r"[^A-Za-z0-9_-]+", "_", settings["system"])
    return f"{system}-{provenance['fold']['name']}-s{settings['seed']}-{run_key(provenance)[:12]}"


def describe_data(table: pd.DataFrame) -> dict[str, Any]:
    """Describes the data of a run by hashes; many runs share one description.

    Args:
        table: The corpus, its labels applied.

    Returns:
        SHA-256 of the table and of each recording, by its path below the common parent folder.

    Raises:
        AudioError: A recording is missing.
    """
    hashes = file_hashes(table["file"])
    return {
        "table_sha256": table_hash(table),
        "files": dict(zip(below_shared_folder(hashes), hashes.values(), strict=True)),
    }


def describe_run(
    table: pd.DataFrame,
    fold: Fold,
    label_set: LabelSet,
    settings: TrainingSettings,
    data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describes how a run is made: settings, speakers, labels, data and versions.

    Args:
        table: The corpus, its labels applied.
        fold: Speakers of each part.
        label_set: The emotions to be learned.
        settings: Settings of the training.
        data: What `describe_data` gives for the table; computed if None.

    Returns:
        A dictionary that JSON can hold; recordings by their path below the common parent folder.
    """
    data = describe_data(table) if data is None else data
    return {
        "settings": dataclasses.asdict(settings),
        "fold": dataclasses.asdict(fold),
        "shared_speakers": list(fold.shared_speakers),
        "label_set": label_set.description,
        **data,
        "system_source": source_hash(settings.system),
        "started_from": describe_init_model(settings),
        "command": shlex.join(["seqcap", *sys.argv[1:]]),
        "commit": _commit(),
        "versions": {
            "seqcap": seqcap.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
        },
    }


def describe_machine() -> str:
    """Names processor, cores and graphics card, which measured times depend on."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    threads = torch.get_num_threads()
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {os.cpu_count()} cores, {threads} thread{'s' * (threads > 1)} used{card}"


def _commit() -> str:
    """Gives the commit of a checkout, with "-dirty" if its files differ; "" elsewhere."""
    program = Path(seqcap.__file__).parent
    ask = functools.partial(subprocess.run, cwd=program, capture_output=True, text=True)
    try:
        commit = ask(["git", "describe", "--always"], check=True).stdout.strip()
        differs = ask(["git", "diff", "--quiet", "HEAD", "--", "."], check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}-dirty" if differs else commit
