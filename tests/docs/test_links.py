"""Links between pages, and the names of the program that pages mention."""

import importlib
import re
from pathlib import Path

import pytest
from pages import PAGES, ROOT, name, without_code

LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
DOTTED = re.compile(r"\bseqcap(?:\.[A-Za-z_]\w*)+")


def anchors(page: Path) -> set[str]:
    """Headings as GitHub turns them into anchors."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for link in LINK.findall(without_code(page.read_text("utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link}"


def exists(dotted: str) -> bool:
    """Whether this is a module, or an attribute of one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[count:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_name_of_the_program_on_a_page_exists(page: Path) -> None:
    missing = [one for one in set(DOTTED.findall(page.read_text("utf-8"))) if not exists(one)]
    assert not missing


def test_every_path_of_the_repository_in_contributing_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = [path for path in re.findall(r"`([\w/]+\.(?:py|md|toml|txt))`", text) if "/" in path]
    roots = (ROOT, ROOT / "src" / "seqcap")
    assert len(paths) > 5
    assert not [path for path in paths if not any((root / path).exists() for root in roots)]
