"""Examples that need the shipped model wait for it."""

from pathlib import Path

_ROOM = Path(__file__).parent / "seqcap" / "recognition"

collect_ignore = [] if (_ROOM / "pretrained").exists() else [str(_ROOM / "recognizer.py")]
