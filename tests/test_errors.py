import warnings

from seqcap.errors import AudioWarning, CorpusWarning, gather_warnings


def texts_of(*given, error=None, ignored=()):
    """What is warned of in the end when these are gathered."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for category in ignored:
            warnings.simplefilter("ignore", category)
        try:
            with gather_warnings():
                for text, category in given:
                    warnings.warn(text, category, stacklevel=2)
                if error is not None:
                    raise error
        except OSError:
            assert error is not None
    return [str(one.message) for one in caught]


def test_equal_warnings_are_one_with_a_count_and_the_first_names():
    clipped = [(f"{n}.wav: {n / 10} % of the samples are clipped", AudioWarning) for n in range(79)]
    assert texts_of(*clipped, ("x.wav: digital silence", AudioWarning)) == [
        "79 recordings (0.wav, 1.wav, 2.wav ...): 0.0 % of the samples are clipped",
        "x.wav: digital silence",
    ]


def test_other_warnings_come_through_and_ignored_ones_stay_ignored():
    given = [("c: few rows", CorpusWarning), ("old", DeprecationWarning)]
    assert texts_of(*given, ignored=[CorpusWarning]) == ["old"]


def test_warnings_before_an_error_are_not_lost():
    assert texts_of(("a.wav: loud", AudioWarning), error=OSError()) == ["a.wav: loud"]
