import io

import pytest

from seqcap.apps.terminal import print_table, table_blocks

EMOTIONS = ("neutral", "anger", "happiness", "sadness", "fear", "disgust", "surprise", "calm")


def printed(monkeypatch, columns, *arguments, **options):
    monkeypatch.setenv("COLUMNS", str(columns))
    file = io.StringIO()
    print_table(*arguments, file=file, **options)
    return file.getvalue().splitlines()


def test_names_are_never_cut_and_columns_that_do_not_fit_follow_below(monkeypatch):
    rows = [(f"my-very-long-corpus-{n:02}", *map(str, range(8))) for n in range(10)]
    lines = printed(monkeypatch, 80, ("speaker", *EMOTIONS), rows)
    assert max(map(len, lines)) <= 80
    assert len(lines) == 2 * 11
    assert [line.split()[0] for line in lines[1:11]] == [row[0] for row in rows]
    headings = f"{lines[0]} {lines[11].removeprefix('speaker')}".split()
    assert headings == ["speaker", *EMOTIONS]


def test_a_last_column_of_words_is_cut_between_words(monkeypatch):
    lines = printed(monkeypatch, 40, ("name", "remark"), [("emodb", "word " * 20)], left=2)
    assert max(map(len, lines)) <= 40
    assert sum(line.count("word") for line in lines) == 20
    assert all(line.startswith("      ") for line in lines[2:])


def test_without_a_terminal_lines_are_not_cut(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    file = io.StringIO()
    print_table(("a", "b"), [("x", "1" * 500)], file=file)
    assert file.getvalue().splitlines()[1] == f"x  {'1' * 500}"


@pytest.mark.parametrize("width", [1, 10, 1000])
def test_wide_letters_stay_in_their_columns(width):
    for block in table_blocks(("speaker", "n"), [("名前", "1"), ("name", "2")], 1, width):
        assert block == ["speaker  n", "名前     1", "name     2"]
