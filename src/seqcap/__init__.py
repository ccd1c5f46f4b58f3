"""Speech emotion recognition with sequential capsule networks (Wu et al., TASLP 2021).

Example:
    >>> import seqcap
    >>> sorted(set(seqcap.__all__))
    ['Answer', 'Failure', 'Recognizer', 'SeqcapClassifier', '__version__', 'recognize_index']
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqcap.apps.audformat_index import recognize_index
    from seqcap.apps.sklearn_classifier import SeqcapClassifier
    from seqcap.recognition.recognizer import Answer, Failure, Recognizer

__version__ = "0.1.0"

# onnxruntime 1.32 reports its use to Microsoft, by a thread that processes forked later wait for,
# unless this is set before it is imported. Who wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["Answer", "Failure", "Recognizer", "SeqcapClassifier", "__version__", "recognize_index"]

_MODULES = {
    "SeqcapClassifier": "seqcap.apps.sklearn_classifier",
    "recognize_index": "seqcap.apps.audformat_index",
}


def __getattr__(name: str) -> Any:
    """Imports what a name needs when it is used, not before."""
    if name not in __all__:
        raise AttributeError(f"module 'seqcap' has no attribute '{name}'")
    return getattr(import_module(_MODULES.get(name, "seqcap.recognition.recognizer")), name)


def __dir__() -> list[str]:
    """Lists the public names, so that completion finds those that are not yet imported."""
    return sorted({*globals(), *__all__})
