"""The built wheel in an environment of its own, with what `pip install seqcap` brings."""

import csv
import io
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from seqcap.apps.writers import BY_RECORDING, Format

ROOT = Path(__file__).parents[2]
NEEDS_EXTRA = {Format.PARQUET, Format.PNG}
UNREACHABLE = ("No matching distribution", "Could not find a version", "ConnectionError")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

pytestmark = pytest.mark.slow


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=900,
        **options,
    )


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of the new environment; skipped where no package index answers."""
    scratch = tmp_path_factory.mktemp("wheel")
    venv.create(scratch / "environment", with_pip=True)
    binaries = "Scripts" if sys.platform == "win32" else "bin"
    python = scratch / "environment" / binaries / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--retries", "0", "--timeout", "20")
    built = run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", scratch, ROOT)
    if built.returncode == 0:
        (wheel,) = scratch.glob("seqcap-*.whl")
        built = run(*pip, "install", "--quiet", "-c", ROOT / "constraints.txt", wheel)
    if any(words in built.stderr for words in UNREACHABLE):
        pytest.skip("no package index can be reached")
    assert built.returncode == 0, built.stderr
    return python


def test_no_package_of_an_extra_is_installed(python):
    listed = run(python, "-m", "pip", "list", "--format", "freeze").stdout
    names = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert {"seqcap", "numpy", "onnxruntime"} <= names
    assert names.isdisjoint({"torch", "scipy", "pandas", "onnx", "pyarrow", "matplotlib", "av"})


@pytest.mark.parametrize("kind", Format, ids=lambda kind: kind.value)
def test_every_format_is_written_without_torch(kind, python, samples, tmp_path):
    output = tmp_path / "answers"
    options = ("--timeline", "--format", kind.value, "--output", output)
    done = run(python, "-m", "seqcap", "predict", *samples[:2], *options, cwd=tmp_path)
    if kind in NEEDS_EXTRA:
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert "pip install 'seqcap[" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert done.stderr == "seqcap: 2 recognised, 0 failed\n"
    assert len(list(output.iterdir())) == 2 if kind in BY_RECORDING else output.stat().st_size


def test_its_answers_are_those_of_the_checkout(python, samples, seqcap, tmp_path):
    arguments = ("predict", *samples, "--balanced-prior", "--format", "csv")
    done = run(python, "-m", "seqcap", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    here = seqcap(*arguments)
    found, expected = (list(csv.DictReader(io.StringIO(text))) for text in (done.stdout, here.out))
    assert len(found) == len(samples)
    for row, other in zip(found, expected, strict=True):
        assert row["predicted"] == other["predicted"]
        assert float(row["anger"]) == pytest.approx(float(other["anger"]), abs=1e-5)
