import numpy as np
import pandas as pd
import pytest

from seqcap.corpora.soft_labels import soft_labels
from seqcap.corpora.table import read_table
from seqcap.errors import CorpusError

EMOTIONS = ("anger", "sadness")


def test_votes_become_shares_of_the_label_sets_emotions(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "file,emotion,soft_anger,soft_sadness,soft_fear\n"
        "a.wav,anger,6,2,9\nb.wav,anger,,,1\nc.wav,sadness,,1,\nd.wav,sadness,0,0,3\n"
    )
    first, second, third, fourth = soft_labels(read_table(path), EMOTIONS)
    np.testing.assert_allclose(first, [0.75, 0.25])
    np.testing.assert_allclose(third, [0, 1])
    assert second is None
    assert fourth is None


def test_a_table_without_them_has_none():
    assert soft_labels(pd.DataFrame({"file": ["a.wav"]}), EMOTIONS) == [None]


@pytest.mark.parametrize(
    ("value", "reason"),
    [("many", "numbers were expected"), ("-1", "soft_anger is -1"), ("inf", "inf")],
)
def test_what_is_no_share_is_refused(value, reason):
    with pytest.raises(CorpusError, match=reason):
        soft_labels(pd.DataFrame({"file": ["a.wav"], "soft_anger": [value]}), EMOTIONS)
