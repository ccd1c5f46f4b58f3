"""What the paper reports on IEMOCAP, Tables II to VII and Fig. 7, to stand beside ours.

Wu et al., "Speech Emotion Recognition Using Sequential Capsule Networks", TASLP 2021. The figures
of other corpora, speakers and languages can be compared with these in their order and in their
differences only.
"""

from typing import NamedTuple

SOURCE = "Wu et al., IEEE/ACM TASLP 29, 2021"
CORPUS = "iemocap"
EMOTIONS = ("neutral", "anger", "happiness", "sadness")


class PaperScore(NamedTuple):
    """WA and UA, 0 to 1."""

    wa: float
    ua: float


class PaperComparison(NamedTuple):
    """A sentence of Secs. VI-E and VI-F: one system is said to do better than another."""

    system: str
    other: str
    claim: str


TABLE_2 = {
    "CNN_GRU": 833_012,
    "CNN_Cap": 131_110_832,
    "LSTM_Cap": 17_607_492,
    "CNN_SeqCap": 703_540,
    "CNN_RecCap": 708_148,
    "CNN_GRU-SeqCap": 1_523_448,
    "CNN_GRU-RecCap": 1_528_056,
}
TABLE_3 = dict(zip(EMOTIONS, (1099, 289, 284, 608), strict=True))
SPEAKER_COUNT = 10  # Sec. VI-A
# Without and with curriculum.
TABLE_4 = {
    "CNN_GRU": (PaperScore(0.6731, 0.5153), PaperScore(0.6702, 0.5184)),
    "CNN_GRU_Att": (PaperScore(0.6826, 0.5307), PaperScore(0.6820, 0.5489)),
    "LSTM_Cap": (PaperScore(0.6648, 0.5298), PaperScore(0.6731, 0.5370)),
    "CNN_SeqCap": (PaperScore(0.6840, 0.5243), PaperScore(0.6986, 0.5671)),
    "CNN_RecCap": (PaperScore(0.7006, 0.5624), PaperScore(0.7062, 0.5817)),
}
TABLE_5 = {
    "CNN": PaperScore(0.661, 0.566),
    "CNN_LSTM": PaperScore(0.6880, 0.5940),
    "CNN_GRU": PaperScore(0.6702, 0.5184),
    "CNN_GRU_Att": PaperScore(0.6820, 0.5489),
    "LSTM_Cap": PaperScore(0.6731, 0.5370),
    "CNN_SeqCap": PaperScore(0.6986, 0.5671),
    "CNN_RecCap": PaperScore(0.7062, 0.5817),
    "CNN_GRU-SeqCap": PaperScore(0.7273, 0.5971),
    "CNN_GRU-RecCap": PaperScore(0.7062, 0.5758),
    "CNN_GRU + CNN_SeqCap": PaperScore(0.7264, 0.5715),
    "CNN_GRU + CNN_RecCap": PaperScore(0.7273, 0.5761),
}
QUOTED = ("CNN", "CNN_LSTM")  # by the paper from Satt et al. (2017), not run again
# Tables VI and VII: rows actual, columns predicted, in the order of EMOTIONS.
CONFUSIONS = {
    "CNN_SeqCap": (
        (0.8422, 0.0526, 0.0058, 0.0994),
        (0.2903, 0.6839, 0.0, 0.0258),
        (0.7375, 0.1864, 0.0169, 0.0592),
        (0.2690, 0.0029, 0.0029, 0.7252),
    ),
    "CNN_RecCap": (
        (0.8385, 0.0292, 0.0311, 0.1012),
        (0.3406, 0.5942, 0.0217, 0.0435),
        (0.7619, 0.0556, 0.1190, 0.0635),
        (0.1929, 0.0193, 0.0129, 0.7749),
    ),
}
CONFUSION_TABLES = {"CNN_SeqCap": "Table VI", "CNN_RecCap": "Table VII"}
# Iterations of CNN_SeqCap that Sec. VI-D gives in numbers; Fig. 7 draws 1 and 4 without them.
FIGURE_7 = {2: PaperScore(0.6988, 0.5697), 3: TABLE_5["CNN_SeqCap"]}
USUAL_ITERATIONS = 3
COMPARISONS = (
    PaperComparison("CNN_SeqCap", "CNN", ""),
    PaperComparison("CNN_RecCap", "CNN", ""),
    PaperComparison("CNN_SeqCap", "LSTM_Cap", ""),
    PaperComparison("CNN_RecCap", "LSTM_Cap", ""),
    PaperComparison("CNN_SeqCap", "CNN_GRU", "UA p < 0.005"),
    PaperComparison("CNN_RecCap", "CNN_GRU", "UA p < 0.005"),
    PaperComparison("CNN_SeqCap", "CNN_GRU_Att", "WA and UA p < 0.05"),
    PaperComparison("CNN_RecCap", "CNN_SeqCap", "UA p < 0.05"),
    PaperComparison("CNN_GRU-SeqCap", "CNN_GRU", "UA p < 0.005"),
    PaperComparison("CNN_GRU-RecCap", "CNN_GRU", "UA p < 0.005"),
    PaperComparison("CNN_GRU-SeqCap", "CNN_SeqCap", ""),
    PaperComparison("CNN_GRU-RecCap", "CNN_RecCap", ""),
    PaperComparison("CNN_GRU + CNN_SeqCap", "CNN_SeqCap", ""),
    PaperComparison("CNN_GRU + CNN_RecCap", "CNN_RecCap", ""),
)
