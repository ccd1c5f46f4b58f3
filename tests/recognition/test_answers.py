"""Answers as programs take them: fields, rows, and the codes of their warnings."""

import re

import pandas as pd
from pages import ROOT

from seqcap.apps.writers import names_of_columns
from seqcap.audio.issues import AudioIssue, IssueKind
from seqcap.recognition.answers import SCHEMA_VERSION, Answer

PIECE = Answer("a.wav", 0.0, 2.0, {"anger": 0.6, "sadness": 0.4}, "anger")
ISSUES = (
    AudioIssue(IssueKind.SHORT, "a.wav: 0.30 s are short"),
    AudioIssue(IssueKind.DAMAGED, "a.wav: a page was left out"),
    AudioIssue(IssueKind.DAMAGED, "a.wav: another page was left out"),
)
WARNED = Answer("a.wav", 0.0, 2.0, PIECE.probabilities, "anger", (PIECE,), ISSUES)


def test_warnings_are_a_list_of_codes_each_once():
    assert WARNED.to_dict()["warnings"] == ["short", "damaged"]
    assert WARNED.to_dict()["timeline"][0]["warnings"] == []


def test_a_table_has_one_text_of_warnings_in_the_row_of_the_recording():
    frame = WARNED.to_frame()
    assert frame["warnings"].tolist() == ["short; damaged", ""]
    assert PIECE.to_frame()["warnings"].tolist() == [""]
    assert list(pd.DataFrame(PIECE.to_rows())) == list(PIECE.to_dict())
    assert list(frame) == names_of_columns(list(WARNED.probabilities), [], timeline=True)


def test_the_documented_schema_has_this_version_and_all_codes():
    text = (ROOT / "docs" / "schema.md").read_text("utf-8")
    assert f"This is version {SCHEMA_VERSION} of the schema" in text
    table = text.split("## Warnings")[1].split("##")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.M) == [kind.value for kind in IssueKind]
