"""The README's own promises: its two commands, and figures that its table holds."""

import re

from pages import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_its_two_commands_are_targets_of_the_makefile() -> None:
    (block,) = re.findall(r"^```\n(make demo.*?)^```$", README, re.M | re.S)
    targets = [line.split()[1] for line in block.splitlines()]
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert all(f"\n{target}:" in makefile for target in targets)


def test_every_score_in_its_prose_stands_in_its_table() -> None:
    _, table, _ = README.split("<!-- peer -->")
    prose = README.replace(table, "")
    scores = re.findall(r"(?<![\d.])\.\d{3}\b", prose)
    assert scores
    assert not [score for score in scores if f"0{score}" not in table]
