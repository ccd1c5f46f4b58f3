"""What docstrings tell, arguments, shapes, errors, an example: python benchmarks/docstrings.py.

Prints the shares of the API reference and of all public names, and what is missing in the
reference. Works on source text, so that `house.py` also measures other checkouts.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

ASPECTS = ("arguments", "shapes", "errors", "example")
_ARRAYS = re.compile(r"Tensor|NDArray|ArrayLike|FloatArray|Samples|ndarray|Series|DataFrame")
# A shape in axis words, `(batch, frame)`, or a table, whose columns are named.
_SHAPE = re.compile(r"``?\([^`)]*\)``?|[Ss]hape|[Cc]olumn|[Ss]calar|\brows?\b")
_REFERENCE = re.compile(r"^\.\. auto(?:class|function|exception):: (\S+)$", re.M)
_SECTION = r"^ *{}:$"


@dataclass(frozen=True)
class Docstring:
    """One public function, method or class.

    Attributes:
        name: Dotted, from `seqcap` on.
        told: For each of `ASPECTS` whether the docstring tells it; None where nothing is to tell.
    """

    name: str
    told: dict[str, bool | None]


def public_docstrings(source: Path) -> Iterator[Docstring]:
    """Reads the docstrings of public names of a package.

    Args:
        source: The folder `src` of a checkout.

    Yields:
        One for each public function, method and class whose name has no underscore in front.
    """
    for file in sorted(source.rglob("*.py")):
        module = ".".join(file.relative_to(source).with_suffix("").parts)
        if any(part.startswith("_") for part in module.removesuffix(".__init__").split(".")):
            continue
        for node in ast.parse(file.read_text("utf-8")).body:
            yield from _of_node(node, module.removesuffix(".__init__"))


def reference_docstrings(checkout: Path) -> Iterator[Docstring]:
    """Reads the docstrings of the API reference, methods of its classes included.

    Args:
        checkout: A folder with `src` and `docs/reference`.

    Raises:
        LookupError: The reference has names that the source has not.
    """
    pages = (page.read_text("utf-8") for page in (checkout / "docs" / "reference").glob("*.md"))
    missing = named = set(_REFERENCE.findall("".join(pages)))
    for each in public_docstrings(checkout / "src"):
        if each.name in named or each.name.rpartition(".")[0] in named:
            missing = missing - {each.name}
            yield each
    if missing:
        raise LookupError(f"the source has no {', '.join(sorted(missing))}")


def shares(docstrings: Iterable[Docstring]) -> dict[str, tuple[int, int]]:
    """Counts, for each aspect, the docstrings that tell it and those that should.

    Args:
        docstrings: As `public_docstrings` gives them.

    Returns:
        Told and expected, by aspect.
    """
    listed = list(docstrings)
    counts = {}
    for aspect in ASPECTS:
        told = [each.told[aspect] for each in listed if each.told[aspect] is not None]
        counts[aspect] = (sum(map(bool, told)), len(told))
    return counts


def _of_node(node: ast.stmt, parent: str) -> Iterator[Docstring]:
    if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
        return
    name = f"{parent}.{node.name}"
    if isinstance(node, Function):
        yield Docstring(name, _told(node, node))
        return
    inits = (each for each in node.body if isinstance(each, Function) and each.name == "__init__")
    yield Docstring(name, _told(node, next(inits, None)))
    for member in node.body:
        yield from _of_node(member, name)


def _told(node: ast.ClassDef | Function, function: Function | None) -> dict[str, bool | None]:
    text = ast.get_docstring(node) or ""
    named = _argument_names(function) or _attribute_names(node)
    listed = bool(re.search(_SECTION.format("(Args|Attributes)"), text, re.M))
    annotations = " ".join(_annotations(function or node))
    raises = function is not None and any(isinstance(one, ast.Raise) for one in ast.walk(function))
    return {
        "arguments": listed and all(f"{one}:" in text for one in named) if named else None,
        "shapes": bool(_SHAPE.search(text)) if _ARRAYS.search(annotations) else None,
        "errors": bool(re.search(_SECTION.format("Raises"), text, re.M)) if raises else None,
        "example": None if _is_property(node) or _is_error(node) else ">>>" in text,
    }


def _argument_names(function: Function | None) -> list[str]:
    if function is None:
        return []
    return [each.arg for each in _arguments(function) if each.arg not in ("self", "cls")]


def _arguments(function: Function) -> list[ast.arg]:
    arguments = function.args
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _attribute_names(node: ast.ClassDef | Function) -> list[str]:
    fields = (each.target for each in node.body if isinstance(each, ast.AnnAssign))
    names = [each.id for each in fields if isinstance(each, ast.Name) and each.id[0] != "_"]
    return names if isinstance(node, ast.ClassDef) else []


def _annotations(node: ast.ClassDef | Function) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        fields = (each for each in node.body if isinstance(each, ast.AnnAssign))
        yield from (ast.unparse(each.annotation) for each in fields)
        return
    for annotation in [*(each.annotation for each in _arguments(node)), node.returns]:
        if annotation is not None:
            yield ast.unparse(annotation)


def _is_property(node: ast.ClassDef | Function) -> bool:
    decorators = [ast.unparse(each) for each in node.decorator_list]
    return any(each in ("property", "cached_property") for each in decorators)


def _is_error(node: ast.ClassDef | Function) -> bool:
    bases = [ast.unparse(each) for each in node.bases] if isinstance(node, ast.ClassDef) else []
    return any(each.endswith(("Error", "Warning", "Exception")) for each in bases)


def main() -> None:
    """Prints the shares, and the names of the reference that do not tell something."""
    checkout = Path(__file__).resolve().parent.parent
    reference = list(reference_docstrings(checkout))
    for title, docstrings in (
        ("API reference", reference),
        ("all public names", list(public_docstrings(checkout / "src"))),
    ):
        print(f"{title}, {len(docstrings)}:")
        for aspect, (told, expected) in shares(docstrings).items():
            print(f"  {aspect}: {told} of {expected}, {100 * told / expected:.0f} %")
    for each in reference:
        missing = [aspect for aspect in ASPECTS if each.told[aspect] is False]
        if missing:
            print(f"{each.name}: {', '.join(missing)}")


if __name__ == "__main__":
    main()
