"""How a checkout reads, in figures: python benchmarks/house.py [CHECKOUT ...].

Prints a column a checkout: sizes of files and functions, how far it is from `build` to the logits
of CNN_SeqCap, words a sentence in the README, what docstrings tell, and megabytes in git.
"""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

from docstrings import public_docstrings, shares

ROOT = Path(__file__).resolve().parent.parent
# Builds a system, answers for two utterances and takes one training step, while it is watched.
WAY = """
import sys, threading
called = set()
def watch(frame, event, _):
    if event == "call" and "/src/seqcap/" in frame.f_code.co_filename:
        called.add((frame.f_code.co_filename, frame.f_code.co_qualname))
import torch
from seqcap.models.systems import build
threading.setprofile(watch); sys.setprofile(watch)
system = build("CNN_SeqCap", 4, seed=0)
sound, counts = torch.randn(2, 300, 512), torch.tensor([300, 211])
with torch.no_grad():
    system.eval()(sound, counts)
system.train()(sound, counts).sum().backward()
sys.setprofile(None)
for file, name in sorted(called):
    print(file, name, sep="\\t")
"""


def main() -> None:
    """Prints a Markdown table with a column for each checkout."""
    checkouts = [Path(each).resolve() for each in sys.argv[1:]] or [ROOT]
    columns = [measure(each) for each in checkouts]
    print(f"| | {' | '.join(map(commit, checkouts))} |")
    print(f"|---|{'--:|' * len(columns)}")
    for row in columns[0]:
        print(f"| {row} | {' | '.join(column[row] for column in columns)} |")


def measure(checkout: Path) -> dict[str, str]:
    """Measures one checkout.

    Args:
        checkout: Its folder, with `src/seqcap` in it.

    Returns:
        Text by the name of the row.
    """
    source = checkout / "src"
    files = {file: line_count(file) for file in source.rglob("*.py")}
    longest = max(files, key=files.__getitem__)
    functions = {name: lines for file in files for name, lines in function_lines(file)}
    longest_function = max(functions, key=functions.__getitem__)
    way = watched(source)
    on_the_way = {Path(file) for file, _ in way}
    skippable = [file for file in on_the_way if "may skip this file" in file.read_text("utf-8")]
    words = sentence_words((checkout / "README.md").read_text("utf-8"))
    documented = list(public_docstrings(source))
    rows = {
        "Python files in src": str(len(files)),
        "lines of a file, median": f"{statistics.median(files.values()):.0f}",
        "longest file": f"{files[longest]} ({longest.relative_to(source / 'seqcap')})",
        "longest function, lines": f"{functions[longest_function]} ({longest_function})",
        "functions over 60 lines": str(sum(lines > 60 for lines in functions.values())),
        "from `build` to CNN_SeqCap's logits and gradients: files, lines": (
            f"{len(on_the_way)}, {sum(map(line_count, on_the_way))}"
        ),
        "names defined in these files": str(sum(map(defined_names, on_the_way))),
        "of these, files that a reader may skip, lines": (
            f"{len(skippable)}, {sum(map(line_count, skippable))}"
        ),
        "functions called on the way": str(len(way)),
        "README: words a sentence, mean and most": f"{statistics.mean(words):.1f}, {max(words)}",
        "megabytes in git": f"{tracked_bytes(checkout) / 1e6:.1f}",
        "public names with docstrings to measure": str(len(documented)),
    }
    for aspect, (told, expected) in shares(documented).items():
        rows[f"docstrings that tell {aspect}"] = f"{100 * told / expected:.0f} % of {expected}"
    return rows


def line_count(file: Path) -> int:
    """Counts the lines of a text file."""
    return len(file.read_text("utf-8").splitlines())


def function_lines(file: Path) -> list[tuple[str, int]]:
    """Counts the lines of every function, the docstring left out.

    Args:
        file: Python source.

    Returns:
        Name with its file, and lines from `def` to the end of the body.
    """
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            found.append((f"{file.stem}.{node.name}", lines))
    return found


def defined_names(file: Path) -> int:
    """Counts functions, methods, classes and module constants that a file defines."""
    tree = ast.parse(file.read_text("utf-8"))
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = sum(isinstance(node, definitions) for node in ast.walk(tree))
    return defined + sum(isinstance(node, ast.Assign | ast.AnnAssign) for node in tree.body)


def watched(source: Path) -> list[tuple[str, str]]:
    """Runs CNN_SeqCap of a checkout once and lists the functions called, with their files."""
    command = [sys.executable, "-c", WAY]
    printed = subprocess.run(
        command, env={"PYTHONPATH": str(source)}, check=True, capture_output=True, text=True
    ).stdout
    pairs = [line.split("\t") for line in printed.splitlines()]
    return [(file, name) for file, name in pairs if not name.endswith("<lambda>")]


def sentence_words(text: str) -> list[int]:
    """Counts the words of each sentence of a Markdown text; code, tables and headings are left out.

    Args:
        text: Markdown.

    Returns:
        One number a sentence of three words or more.
    """
    text = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"^\|.*$|^#.*$", "", text, flags=re.M)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    counts = [len(sentence.split()) for sentence in re.split(r"(?<=[.!?:])\s+", text)]
    return [count for count in counts if count > 2]


def tracked_bytes(checkout: Path) -> int:
    """Adds up the sizes of the files in git."""
    listed = subprocess.run(
        ["git", "-C", checkout, "ls-files", "-z"], check=True, capture_output=True, text=True
    ).stdout
    names = [checkout / name for name in listed.split("\0") if name]
    return sum(name.stat().st_size for name in names if name.is_file())


def commit(checkout: Path) -> str:
    """The commit of a checkout, shortened."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
