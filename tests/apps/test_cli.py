"""The command line in a process of its own: start, errors, pipes and signals."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import typer
from imported_modules import COMMAND, HEAVY, imported_by, start
from typer.testing import CliRunner

from seqcap import __version__
from seqcap.apps.cli import app


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["predict", "--help"], ["systems", "--help"], ["model", "--help"]],
)
def test_help_imports_nothing_heavy(arguments):
    done, packages = imported_by(*arguments)
    assert done.returncode == 0
    assert "typer" in packages
    assert packages.isdisjoint(HEAVY)


@pytest.mark.slow
def test_a_wrong_path_and_a_wrong_file_import_no_torch(tmp_path, model_folder):
    letter = tmp_path / "letter.wav"
    letter.write_text("hello")
    for wrong in (tmp_path / "missing.wav", letter, tmp_path / "*.mp3"):
        done, packages = imported_by("predict", wrong, "--model", model_folder)
        assert done.returncode == 2
        assert "numpy" in packages
        assert packages.isdisjoint({"torch", "pandas"})


def test_a_wrong_model_and_a_wrong_ending_import_no_torch(tmp_path, samples, model_folder):
    for options in (["--model", tmp_path], ["--model", model_folder, "--output", "emotions.xls"]):
        done, packages = imported_by("predict", samples[0], *options)
        assert done.returncode == 2
        assert packages.isdisjoint({"torch", "pandas"})


def test_the_included_model_recognises_without_torch(samples):
    done, packages = imported_by("predict", samples[0], "--timeline")
    assert done.returncode == 0
    assert "onnxruntime" in packages
    assert packages.isdisjoint({"torch", "onnx", "pandas", "scipy"})


def test_a_model_without_graphs_says_what_it_needs(samples, model_folder):
    without_torch = (
        "import sys; sys.modules['torch'] = None; from seqcap.apps.cli import main; main()"
    )
    command = [sys.executable, "-c", without_torch, "predict", str(samples[0])]
    shipped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shipped.returncode == 0, shipped.stderr
    command += ["--model", str(model_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs PyTorch; pip install 'seqcap[train]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_users_mistake_is_one_line(tmp_path, model_folder):
    done = start("predict", tmp_path / "missing.wav", "--model", model_folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"seqcap: {tmp_path / 'missing.wav'}: no such file; check the path\n"


def test_the_version_is_printed():
    assert start("--version").stdout == f"seqcap {__version__}\n"


def test_help_names_every_command_and_gives_examples():
    text = start("--help").stdout
    for command in ("predict", "model", "systems", "train", "evaluate", "corpus"):
        assert re.search(rf"^\W*{command} ", text, re.MULTILINE)
    assert "seqcap predict speech.wav" in text


def all_commands(command, path=()):
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from all_commands(one, (*path, name))


def test_every_help_fits_80_columns_and_has_examples(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for path, command in all_commands(typer.main.get_command(app)):
        text = CliRunner().invoke(app, [*path, "--help"]).output
        assert "Usage: " in text, path
        assert "<bool>" not in text, path
        assert "[bold]" not in text, path
        explanation, _, rest = text.partition("\nExamples:\n")
        options = rest.partition("\n\n")[2]
        assert max(map(len, (explanation + options).splitlines())) <= 80, path
        for option in command.params:
            if option.param_type_name == "option":
                assert max(option.opts, key=len) in text.split(), (path, option.opts)
        assert f"  seqcap {' '.join(path)}" in rest or "| seqcap" in rest, path
        assert "..." not in options.partition("\nCommands:\n")[2], path  # no line is cut


def test_old_names_of_options_are_understood():
    assert start("model", "--json").stdout.startswith("{")
    done = start("predict", "missing.wav", "--one-speaker", "--even-emotions")
    assert done.stderr == "seqcap: missing.wav: no such file; check the path\n"


def test_no_command_is_help_and_an_unknown_one_is_status_2():
    assert "Usage: seqcap" in start().stderr
    done = start("guess")
    assert done.returncode == 2
    assert "No such command 'guess'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_whole_run_by_pipe(samples, model_folder):
    with samples[0].open("rb") as file:
        done = start("predict", "-", "--format", "jsonl", "--model", model_folder, stdin=file)
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["file"] == "<stdin>"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="sizes of files cannot be limited")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_fills_up_is_one_line_and_status_2(tmp_path, unbuffered):
    import resource

    with (tmp_path / "list.json").open("w") as file:
        done = subprocess.run(
            [*COMMAND, "corpus", "list", "--format", "json"],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
        )
    assert (done.returncode, done.stderr) == (2, "seqcap: standard output: File too large\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.slow
def test_a_reader_may_close_the_pipe(samples, model_folder):
    command = [*COMMAND, "predict", *samples, "--format", "csv", "--model", model_folder]
    with subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        _, errors = process.communicate(timeout=120)
    assert b"Traceback" not in errors
    assert b"Exception" not in errors
    assert process.returncode == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_an_interruption_is_quiet_and_leaves_no_output(tmp_path, model_folder):
    output = tmp_path / "emotions.csv"
    command = [*COMMAND, "predict", "-", "--model", model_folder, "--output", output]
    # Where these tests run in the background, SIGINT is ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(b"RIFF")  # it waits for the rest
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=120)
    assert (process.returncode, out, errors) == (130, b"", b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize(("sent", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interruption_that_a_compiled_module_swallows_is_quiet_too(sent, status):
    # As onnxruntime does, if the signal comes while it is imported.
    code = f"""
import os, signal
from seqcap.apps import cli
def swallow(**options):
    try:
        os.kill(os.getpid(), signal.{sent})
        signal.sigtimedwait([], 60)
    except KeyboardInterrupt:
        raise ImportError("initialization failed") from None
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.app = swallow
cli.main()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (status, b"", b"")


@pytest.mark.slow
def test_the_library_imports_no_torch_for_the_included_model():
    code = (
        "import sys, seqcap; assert 'torch' not in sys.modules;"
        "assert seqcap.__version__; assert 'torch' not in sys.modules;"
        "from seqcap import Recognizer; Recognizer.from_pretrained();"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_library_has_no_other_names():
    import seqcap

    with pytest.raises(AttributeError, match="module 'seqcap' has no attribute 'Recogniser'"):
        _ = seqcap.Recogniser
