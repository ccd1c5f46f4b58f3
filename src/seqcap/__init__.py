"""Speech emotion recognition with sequential capsule networks (Wu et al., TASLP 2021).

Example:
    >>> import seqcap
    >>> sorted(set(seqcap.__all__))
    ['Answer', 'Failure', 'Recognizer', '__version__']
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqcap.recognition.recognizer import Answer, Failure, Recognizer

__version__ = "0.1.0"

__all__ = ["Answer", "Failure", "Recognizer", "__version__"]


def __getattr__(name: str) -> Any:
    """Imports torch when the first name that needs it is asked for, not before."""
    if name not in __all__:
        raise AttributeError(f"module 'seqcap' has no attribute '{name}'")
    from seqcap.recognition import recognizer

    return getattr(recognizer, name)
