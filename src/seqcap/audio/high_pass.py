"""A causal high-pass filter that removes a constant offset and rumble, in files and in streams.

Of first order: ``y[n] = x[n] - x[n - 1] + a y[n - 1]``. Before a recording its first sample is
taken to have stood for ever, so that an offset leaves no trace from the first sample on.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray

from seqcap.audio.spectrogram import FloatArray
from seqcap.audio.waveform import SAMPLE_RATE_HZ

_BLOCK = 1600  # 0.1 s; at 1000 Hz the decays reach 1e-273, which doubles can hold


class HighPass:
    """The filter for one recording, which comes in blocks of any lengths.

    Args:
        cutoff_hz: Where the power is halved, above 0 to 1000 Hz.

    Example:
        >>> high_pass = HighPass(20.0)
        >>> high_pass(np.full(1000, 0.3, np.float32)).max()
        np.float32(0.0)
    """

    def __init__(self, cutoff_hz: float) -> None:
        self.decay = math.exp(-2 * math.pi * cutoff_hz / SAMPLE_RATE_HZ)
        self.last_in: float | None = None
        self.last_out = 0.0

    def __call__(self, block: FloatArray) -> FloatArray:
        """Filters the next block, shape ``(samples,)``."""
        if not len(block):
            return block
        before = float(block[0]) if self.last_in is None else self.last_in
        steps = np.diff(block.astype(float), prepend=before)
        self.last_in = float(block[-1])
        count = -(-len(steps) // _BLOCK)
        padded = np.zeros((count, _BLOCK))
        padded.ravel()[: len(steps)] = steps
        # y[n] is the sum of a^(n - k) x[k] over k: a cumulative sum, scaled by a^n. A product of
        # matrices would do as well, but BLAS lets threads wait for each other.
        decays = _decays(self.decay)
        within = np.cumsum(padded / decays, axis=1) * decays
        # What each block inherits from the one before it.
        carried = np.empty(count)
        out = self.last_out
        for place, end in enumerate(within[:, -1].tolist()):
            carried[place] = out
            out = end + decays[-1] * out
        filtered = (within + carried[:, None] * decays).ravel()[: len(steps)]
        self.last_out = float(filtered[-1])
        return filtered.astype(np.float32)


@functools.lru_cache(maxsize=4)
def _decays(decay: float) -> NDArray[np.float64]:
    """What is left of a sample after 1 to 1,600 more."""
    return decay ** np.arange(1.0, _BLOCK + 1)
