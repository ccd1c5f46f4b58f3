"""Freed memory kept for the next use, for who trains or recognises in bulk.

The maps of a training step are tens of megabytes each. glibc hands such blocks back to the system
when they are freed, and the system clears every page again at the next use: about a third of a
training step's time (``benchmarks/README.md``).
"""

import ctypes
import sys

# <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4

_LARGEST_KEPT = 2**30  # bytes; larger blocks still come from the system and go back to it


def keep_freed_memory() -> bool:
    """Asks glibc to keep freed memory for the next tensor instead of giving it back.

    Works on the whole process, for the rest of its life: its memory stays at its peak. So only a
    program that trains or recognises in bulk calls this, never the library by itself. Elsewhere
    than on glibc (musl, macOS, Windows) nothing happens.

    Returns:
        True if memory is kept from now on.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):  # musl
        return False
    # glibc before 2.35 refuses thresholds above 32 MiB; then no block is mapped by itself.
    kept = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT) or libc.mallopt(_M_MMAP_MAX, 0)
    return bool(kept and libc.mallopt(_M_TRIM_THRESHOLD, -1))
