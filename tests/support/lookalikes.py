"""Look-alikes of the corpora: the right names and counts, a few samples of sound in each file."""

import itertools
import os
import struct
from collections.abc import Iterator
from pathlib import Path

SILENCE_16K = b"RIFF" + struct.pack("<I", 36 + 8) + b"WAVEfmt " + struct.pack(
    "<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16
) + b"data" + struct.pack("<I", 8) + bytes(8)  # fmt: skip


def write_files(root: Path, names: Iterator[str] | list[str], content: bytes = SILENCE_16K) -> Path:
    for folder, files in itertools.groupby(sorted(names), key=os.path.dirname):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            (root / file).write_bytes(content)
    return root


def emodb_names() -> list[str]:
    counts = {"W": 127, "L": 81, "E": 46, "A": 69, "F": 71, "T": 62, "N": 79}
    sentences = ["a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10"]
    speakers = ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"]
    return [
        f"{speaker}{sentence}{letter}{take}"
        for letter, count in counts.items()
        for take, sentence, speaker in itertools.islice(
            itertools.product("ab", sentences, speakers), count
        )
    ]


def ravdess_names() -> list[str]:
    return [
        f"03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
        for emotion, intensity, statement, repetition, actor in itertools.product(
            range(1, 9), (1, 2), (1, 2), (1, 2), range(1, 25)
        )
        if (emotion, intensity) != (1, 2)
    ]


def banglaser_names() -> list[str]:
    never_neutral = {11, 12, 13, 16, 18, 20, 29}
    names = [
        f"03-01-{emotion:02d}-{intensity}-{statement:02d}-{repetition:02d}-{speaker:02d}"
        for (emotion, intensity), statement, repetition, speaker in itertools.product(
            [(1, "01"), (2, "01"), (3, "02"), (4, "02"), (5, "01")],
            (1, 2, 3),
            (1, 2, 3),
            range(1, 35),
        )
        if not (emotion == 5 and speaker in never_neutral)
    ]
    slips = {f"03-01-04-02-03-0{repetition}-15" for repetition in (1, 2, 3)}
    return [f"01{name[2:]}" if name in slips else name for name in names]


def nemo_names() -> list[str]:
    counts = {
        "anger": 749,
        "fear": 736,
        "happiness": 749,
        "neutral": 809,
        "sadness": 769,
        "surprised": 669,
    }
    speakers = ["EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0"]
    return [
        f"{speaker}_{emotion}_{sentence}"
        for emotion, count in counts.items()
        for sentence, speaker in itertools.islice(itertools.product(range(1, 91), speakers), count)
    ]


def crema_d_names() -> list[str]:
    counts = {"ANG": 1271, "DIS": 1271, "FEA": 1271, "HAP": 1271, "NEU": 1087, "SAD": 1271}
    sentences = ["ITH", "DFA", "ITS", "IWL", "IOM", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI"]
    spoken = [f"{s}_{{}}_XX" for s in sentences]
    spoken += [f"IEO_{{}}_{level}" for level in ("LO", "MD", "HI")]
    names = [
        f"{actor}_{sentence.format(emotion)}"
        for emotion, count in counts.items()
        for sentence, actor in itertools.islice(itertools.product(spoken, range(1001, 1092)), count)
    ]
    # The one slip in the official names.
    return [name.replace("1040_ITH_SAD_XX", "1040_ITH_SAD_X") for name in names]


def savee_names() -> list[str]:
    counts = {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}
    return [
        f"{speaker}_{code}{number:02d}"
        for speaker in ("DC", "JE", "JK", "KL")
        for code, count in counts.items()
        for number in range(1, count + 1)
    ]


def tess_names() -> list[str]:
    words = ["back", "bite", *(f"word{number}" for number in range(198))]
    emotions = ["angry", "disgust", "fear", "happy", "neutral", "ps", "sad"]
    names = [f"{s}_{w}_{e}" for s in ("OAF", "YAF") for w in words for e in emotions]
    # The one slip in the official names.
    return [name.replace("OAF_bite_neutral", "OA_bite_neutral") for name in names]


def emovo_names() -> list[str]:
    sentences = ["b1", "b2", "b3", "d1", "d2", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5"]
    return [
        f"{emotion}-{speaker}-{sentence}"
        for emotion in ["dis", "gio", "neu", "pau", "rab", "sor", "tri"]
        for speaker in ["f1", "f2", "f3", "m1", "m2", "m3"]
        for sentence in sentences
    ]


def urdu_names() -> list[str]:
    counts = {
        "A": "M1:22 M2:28 M3:2 M4:48",
        "H": "F1:12 F2:2 F3:2 F4:4 F5:4 F6:14 F7:6 F8:2 M17:2 M18:2 M19:2 M3:2 M5:8 M6:10 M7:28",
        "N": "F9:4 M20:10 M21:4 M22:2 M3:8 M5:72",
        "S": "F10:2 F11:4 M23:6 M24:38 M25:40 M26:2 M27:4 M6:4",
    }
    names = []
    for letter, speakers in counts.items():
        pairs = (speaker.split(":") for speaker in speakers.split())
        files = [(speaker, take) for speaker, n in pairs for take in range(1, int(n) + 1)]
        names += [f"S{s}_F{take}_{letter}0{i}" for i, (s, take) in enumerate(files, 1)]
    return names


# Table III by speaker, improvised: neutral, anger, happiness, sadness.
IEMOCAP_PAPER4 = {
    "1F": (119, 37, 18, 43),
    "1M": (104, 25, 15, 61),
    "2F": (90, 7, 25, 63),
    "2M": (127, 15, 29, 37),
    "3F": (95, 22, 39, 108),
    "3M": (103, 68, 21, 82),
    "4F": (51, 47, 10, 41),
    "4M": (123, 37, 21, 40),
    "5F": (151, 18, 56, 73),
    "5M": (136, 13, 50, 60),
}
_SESSIONS = (1819, 1811, 2136, 2103, 2170)
_SCRIPTED = {
    "neu": 609,
    "ang": 814,
    "sad": 476,
    "hap": 311,
    "exc": 378,
    "fru": 1849,
    "sur": 107,
    "fea": 40,
    "oth": 3,
    "dis": 2,
    "xxx": 666,
}
_DIALOGS = [
    "script01_1",
    "script01_1b",
    "script01_2",
    "script01_3",
    "script02_1",
    "script02_2",
    "script03_1",
]


def iemocap_utterances() -> Iterator[tuple[str, str, str]]:
    """Dialog, utterance and code of all 10,039; beside Table III made up to the totals."""
    improvised: dict[str, list[str]] = {
        speaker: ["neu"] * neu + ["ang"] * ang + ["hap"] * hap + ["sad"] * sad
        for speaker, (neu, ang, hap, sad) in IEMOCAP_PAPER4.items()
    }
    speakers = itertools.cycle(improvised)
    for code in ["exc"] * 663 + ["xxx"] * 1841:
        improvised[next(speakers)].append(code)
    scripted = iter([code for code, count in _SCRIPTED.items() for _ in range(count)])
    for session, total in enumerate(_SESSIONS, 1):
        codes = {f"{session}{letter}": improvised[f"{session}{letter}"] for letter in "FM"}
        rest = total - sum(map(len, codes.values()))
        numbers = itertools.count()
        for speaker, adapt_to_speaker in codes.items():
            for index, code in enumerate(adapt_to_speaker):
                # Everybody speaks in dialogs where they wear the markers and where they do not.
                number = ("01", "02", "03", "04", "05a", "05b", "06")[index % 7]
                dialog = f"Ses0{session}{'FM'[index % 2]}_impro{number}"
                yield dialog, f"{dialog}_{speaker[1]}{next(numbers):03d}", code
        for index, code in enumerate(itertools.islice(scripted, rest)):
            dialog = f"Ses0{session}{'FM'[index % 2]}_{_DIALOGS[index % len(_DIALOGS)]}"
            yield dialog, f"{dialog}_{'FM'[index // 2 % 2]}{next(numbers):03d}", code


def write_iemocap(root: Path) -> Path:
    """The full release with what lies about in real copies."""
    header = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    raters = [
        "C-E2:\tNeutral;\t()\n",
        "C-F1:\tNeutral; Anger;\t()\n",
        "A-E3:\tval 3; act 2; dom  2;\t()\n",
    ]
    by_dialog: dict[str, list[tuple[str, str]]] = {}
    for dialog, utterance, code in iemocap_utterances():
        by_dialog.setdefault(dialog, []).append((utterance, code))
    sounds = []
    for dialog, utterances in by_dialog.items():
        session = root / f"Session{dialog[4]}"
        labels = session / "dialog" / "EmoEvaluation"
        for inside in ("Attribute", "Categorical", "Self-evaluation"):
            (labels / inside).mkdir(parents=True, exist_ok=True)
        text = header + "".join(
            f"[{i}.2901 - {i + 1}.2357]\t{utterance}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
            + "".join(raters[: 1 + i % 3]) + "\n"
            for i, (utterance, code) in enumerate(utterances)
        )  # fmt: skip
        ending = "\r\n" if dialog.endswith("impro03") else "\n"
        (labels / f"{dialog}.txt").write_text(text, newline=ending)
        (labels / f"._{dialog}.txt").write_bytes(b"\x00\x05\x16\x07Mac OS X\xff")
        wrong = text.replace("\tneu\t", "\tsad\t").replace("\tang\t", "\thap\t")
        for inside in ("Attribute", "Categorical", "Self-evaluation"):
            (labels / inside / f"{dialog}_e1.txt").write_text(wrong)
            (labels / inside / f"{dialog}.txt").write_text(wrong)
        (labels / f"{dialog}.anvil").write_text("<annotation/>")
        transcriptions = session / "dialog" / "transcriptions"
        transcriptions.mkdir(exist_ok=True)
        (transcriptions / f"{dialog}.txt").write_text(
            "".join(f"{u} [006.2901-008.2357]: Excuse me {u}.\n" for u, _ in utterances)
            + f"{dialog}_MXX0 [010.0000-011.0000]: (breathing)\n"
        )
        folder = f"Session{dialog[4]}/sentences/wav/{dialog}"
        sounds += [f"{folder}/{utterance}.wav" for utterance, _ in utterances]
        sounds.append(f"{folder}/._{utterances[0][0]}.wav")
        sounds.append(f"Session{dialog[4]}/dialog/wav/{dialog}.wav")
    return write_files(root, sounds)
