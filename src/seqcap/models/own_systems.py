"""Systems of one's own, by a Python path, beside those of the paper."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from seqcap.errors import SettingsError
from seqcap.models.primary import CapsuleSettings
from seqcap.models.system import System


def own_system(name: str) -> Callable[[int, CapsuleSettings], System]:
    """Finds what builds a system that the paper does not know.

    Args:
        name: ``module:function``; Python finds the module where it finds others, and in the
            working directory. The function takes the number of emotions and the capsules'
            settings and gives a `System`.

    Raises:
        SettingsError: No such module or function.
    """
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        make: Callable[[int, CapsuleSettings], System] = getattr(
            importlib.import_module(module), function
        )
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"system '{name}': {error}; a function that Python can import is expected"
        ) from error
    return make


def source_hash(name: str) -> str:
    """Gives the SHA-256 of the file with a system of one's own; "" for those of the paper."""
    if ":" not in name:
        return ""
    file = inspect.getsourcefile(own_system(name))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
