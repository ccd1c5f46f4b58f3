"""Sentences are short: counted as `benchmarks/house.py` does."""

import statistics
from pathlib import Path

import pytest
from house import sentence_words
from pages import GUIDES, ROOT, name

PROSE = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *GUIDES,
]


@pytest.mark.parametrize("page", PROSE, ids=name)
def test_a_page_has_under_18_words_a_sentence_in_the_mean_and_never_over_35(page: Path) -> None:
    words = sentence_words(page.read_text("utf-8"))
    assert statistics.mean(words) <= 18
    assert max(words) <= 35


def test_words_are_counted_by_sentence_without_code_tables_and_headings() -> None:
    text = (
        "# A title that is left out\n\nOne two three. Four\nfive [six seven](eight)!\n| a | b |\n"
    )
    assert sentence_words(text + "```\nno words in here\n```\n") == [3, 4]
