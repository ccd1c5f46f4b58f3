"""Which recordings a model was trained on, found by their sound whatever name or format they have.

Every 48 ms of speech is stored as 32 bits: the signs of how the energies of neighbouring bands
between 300 and 3,000 Hz differ, and of how that has changed over 96 ms (Haitsma and Kalker, "A
highly robust audio fingerprinting system", ISMIR 2002). A question is cut every 12 ms, so that any
beginning fits. Sampling rate, codec, level, trimming and some noise change few bits; another take
of the same sentence has half of them different. Axis order: ``(frame, band)``.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from seqcap.audio.waveform import SAMPLE_RATE_HZ
from seqcap.errors import CheckpointError
from seqcap.files import atomic_write

FINGERPRINTS_FILE = "fingerprints.safetensors"  # beside a model

_WINDOW_SAMPLES = 4096  # 256 ms
_HOP_SAMPLES = 192  # 12 ms, between the frames of a question
_STRIDE = 4  # hops between stored frames
_LAG = 2 * _STRIDE  # hops over which a change is measured
_EDGES_HZ = np.geomspace(300, 3000, 34)
_ACTIVE_DB = 25.0  # below the loudest frame; bits of quieter ones are noise
_BLOCK_FRAMES = 1024  # of 4,096 samples each: 16 MB

# Choice: four keys of 16 bits out of the 32, and the two least certain bits of each key tried both
# ways, find a place even where a quarter of the bits have changed.
_KEYS = tuple(
    np.array(bits, np.uint32)
    for bits in (range(16), range(16, 32), range(0, 32, 2), range(1, 32, 2))
)
_UNSURE_BITS = 2

# Choice: bits of a copy change where the difference is small anyway, those of another recording
# anywhere: each changed bit counts by its difference. Among recordings of EMO-DB, RAVDESS and nEMO
# these bounds part copies from other takes (benchmarks/fingerprints.py).
_HIGHEST_ERROR = 0.35  # share of changed bits; what is above is not weighted
_HIGHEST_WEIGHTED_ERROR = 0.15
_HIGHEST_SHORT_ERROR = 0.11
_SHORT_FRAMES = 16
_FEWEST_FRAMES = 8
_OVERLAP = 0.5  # of the stored frames, or of those that the question is long enough for

_ONES = np.array([bin(value).count("1") for value in range(1 << 16)], np.uint8)

FloatArray: TypeAlias = NDArray[np.float32]
Codes: TypeAlias = NDArray[np.uint32]
Places: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of many recordings, one behind the other.

    Attributes:
        codes: 32 bits of each stored frame.
        frames: Where it stands in its recording, in units of 48 ms.
        counts: Stored frames of each recording; 0 where it is too short or silent.
    """

    codes: Codes
    frames: Codes
    counts: Codes

    def __len__(self) -> int:
        return len(self.counts)

    def __or__(self, other: "Fingerprints") -> "Fingerprints":
        """Of the recordings of both; what both know stands once."""
        ours = set(self._each())
        fresh = [one for one in other._each() if one not in ours]
        codes, frames = (
            [np.frombuffer(one[place], np.uint32) for one in fresh] for place in (0, 1)
        )
        return Fingerprints(
            np.concatenate([self.codes, *codes]),
            np.concatenate([self.frames, *frames]),
            np.concatenate([self.counts, np.array([len(each) for each in codes], np.uint32)]),
        )

    def _each(self) -> list[tuple[bytes, bytes]]:
        ends = np.cumsum(self.counts)[:-1]
        codes_and_frames = (np.asarray(values, np.uint32) for values in (self.codes, self.frames))
        parts = (np.split(values, ends) for values in codes_and_frames)
        return [(codes.tobytes(), frames.tobytes()) for codes, frames in zip(*parts, strict=True)]


def fingerprints_of(waveforms: Iterable[FloatArray]) -> Fingerprints:
    """Takes the fingerprints of recordings, some 200 bytes for each second of speech.

    Args:
        waveforms: As `load_waveform` gives them, 16 kHz, mono; taken one at a time.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
        >>> fingerprints_of([noise, noise[:4000]]).counts.tolist()
        [14, 0]
    """
    codes, frames = [], []
    for waveform in waveforms:
        differences, active = _differences(waveform, _STRIDE)
        codes.append(_packed(differences[active] > 0))
        frames.append(np.flatnonzero(active).astype(np.uint32))
    none = np.empty(0, np.uint32)
    return Fingerprints(
        np.concatenate([none, *codes]),
        np.concatenate([none, *frames]),
        np.array([len(each) for each in codes], np.uint32),
    )


def save_fingerprints(fingerprints: Fingerprints, path: str | os.PathLike[str]) -> None:
    """Writes fingerprints as a safetensors file.

    Args:
        fingerprints: Of the recordings that a model knows.
        path: Of the file, replaced if it exists.
    """
    frames = fingerprints.frames
    if not (frames >> 16).any():  # no recording is longer than 52 minutes
        frames = frames.astype(np.uint16)
    tensors = {"codes": fingerprints.codes, "frames": frames, "counts": fingerprints.counts}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary)


def load_fingerprints(path: str | os.PathLike[str]) -> Fingerprints | None:
    """Reads what `save_fingerprints` wrote.

    Args:
        path: Of the file.

    Returns:
        None where there is no such file: models made before have none.

    Raises:
        CheckpointError: It is damaged.
    """
    if not Path(path).is_file():
        return None
    try:
        tensors = load_file(path)
        fingerprints = Fingerprints(**{name: tensors[name].astype(np.uint32) for name in tensors})
        if not len(fingerprints.codes) == len(fingerprints.frames) == fingerprints.counts.sum():
            raise ValueError("lengths differ")
    except (SafetensorError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: fingerprints cannot be read ({error}); copy the model again from where it "
            "was made"
        ) from error
    return fingerprints


class FingerprintIndex:
    """Finds recordings among those of some fingerprints.

    Args:
        fingerprints: Of what is known.

    Example:
        >>> random = np.random.default_rng(0)
        >>> known, other = random.normal(size=(2, 32000)).astype(np.float32)
        >>> index = FingerprintIndex(fingerprints_of([known]))
        >>> index.find(known[3000:] / 9), index.find(other)
        (0, None)
    """

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._known = fingerprints
        self._ends = np.cumsum(fingerprints.counts.astype(np.int64))
        self._owners = np.repeat(np.arange(len(fingerprints)), fingerprints.counts)
        self._tables = []
        for bits in _KEYS:
            keys = _key(fingerprints.codes, bits)
            starts = np.searchsorted(np.sort(keys), np.arange((1 << 16) + 1))
            self._tables.append((np.argsort(keys, kind="stable"), starts))

    def find(self, waveform: FloatArray) -> int | None:
        """Finds a recording.

        Args:
            waveform: As `load_waveform` gives it; a part of what is known is enough, from about
                a second on, and so is something longer that contains it.

        Returns:
            The place of the recording it is most alike; None if nothing is alike enough.
        """
        differences, active = _differences(waveform, 1)
        if not active.any():
            return None
        codes = _packed(differences > 0)
        best, found = np.inf, None
        for owner, offset in self._alike(codes, *self._candidates(differences, codes, active)):
            error = self._weighted_error(differences, owner, offset)
            if error < best:
                best, found = error, owner
        return found

    def _candidates(
        self, differences: FloatArray, codes: Codes, active: NDArray[np.bool_]
    ) -> tuple[Places, Places]:
        """Recordings that share a key, and where they would begin in the question, in hops."""
        places, asked = [], []
        rows = np.flatnonzero(active)
        for bits, (order, starts) in zip(_KEYS, self._tables, strict=True):
            unsure = np.argsort(np.abs(differences[rows][:, bits]), axis=1)[:, :_UNSURE_BITS]
            flips = [np.zeros(len(rows), np.int64)]
            for column in range(unsure.shape[1]):
                flips += [flip ^ (1 << unsure[:, column].astype(np.int64)) for flip in flips]
            for flip in flips:
                keys = _key(codes[rows], bits).astype(np.int64) ^ flip
                sizes = starts[keys + 1] - starts[keys]
                within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
                places.append(order[np.repeat(starts[keys], sizes) + within])
                asked.append(np.repeat(rows, sizes))
        place = np.concatenate(places)
        offsets = np.concatenate(asked) - self._known.frames[place].astype(np.int64) * _STRIDE
        pairs = np.unique((self._owners[place] << 32) + offsets + (1 << 31))
        return pairs >> 32, (pairs & 0xFFFFFFFF) - (1 << 31)

    def _alike(self, codes: Codes, owners: Places, offsets: Places) -> Iterator[tuple[int, int]]:
        """Leaves out candidates with too few frames in common, or too many changed bits."""
        counts = self._known.counts[owners].astype(np.int64)
        pair = np.repeat(np.arange(len(owners)), counts)
        behind = self._ends[owners] - np.cumsum(counts)
        stored = np.arange(len(pair)) + np.repeat(behind, counts)
        at = self._known.frames[stored].astype(np.int64) * _STRIDE + offsets[pair]
        inside = (at >= 0) & (at < len(codes))
        pair = pair[inside]
        changed = codes[at[inside]] ^ self._known.codes[stored[inside]]
        ones = np.bincount(
            pair, _ONES[changed & 0xFFFF] + _ONES[changed >> 16], minlength=len(owners)
        )
        common = np.bincount(pair, minlength=len(owners))
        enough = np.maximum(_FEWEST_FRAMES, _OVERLAP * np.minimum(counts, len(codes) // _STRIDE))
        alike = (common >= enough) & (ones < _HIGHEST_ERROR * 32 * common)
        return zip(owners[alike].tolist(), offsets[alike].tolist(), strict=True)

    def _weighted_error(self, differences: FloatArray, owner: int, offset: int) -> float:
        """Share of the differences whose sign has changed; infinite where it is no copy's."""
        end = self._ends[owner]
        own = slice(end - int(self._known.counts[owner]), end)
        at = self._known.frames[own].astype(np.int64) * _STRIDE + offset
        inside = (at >= 0) & (at < len(differences))
        bits = self._known.codes[own][inside, None] >> np.arange(32, dtype=np.uint32) & 1
        asked = differences[at[inside]]
        weights = np.abs(asked)
        error = float(weights[(asked > 0) != bits].sum() / weights.sum())
        short = inside.sum() < _SHORT_FRAMES
        highest = _HIGHEST_SHORT_ERROR if short else _HIGHEST_WEIGHTED_ERROR
        return error if error < highest else np.inf


def _differences(waveform: FloatArray, hops: int) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Changes of differences between bands, ``(frame, 32)``, and which frames are loud enough."""
    step = hops * _HOP_SAMPLES
    lag = _LAG // hops
    count = max(0, (len(waveform) - _WINDOW_SAMPLES) // step + 1)
    if count <= lag:
        return np.empty((0, 32), np.float32), np.empty(0, bool)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, _WINDOW_SAMPLES)[::step]
    energies = np.concatenate(
        [_band_energies(frames[i : i + _BLOCK_FRAMES]) for i in range(0, count, _BLOCK_FRAMES)]
    )
    totals = energies.sum(axis=1)[lag:]
    levels = np.log(energies + 1e-12)
    slopes = levels[:, :-1] - levels[:, 1:]
    active = (totals > totals.max() * 10 ** (-_ACTIVE_DB / 10)) & (totals > 1e-9)
    return (slopes[lag:] - slopes[:-lag]).astype(np.float32), active


def _band_energies(frames: FloatArray) -> NDArray[np.float64]:
    """Energies ``(frame, 33)``; a bin on an edge is shared between its bands."""
    edges = _EDGES_HZ * _WINDOW_SAMPLES / SAMPLE_RATE_HZ
    bins = np.floor(edges).astype(int)
    share = edges - bins
    bins -= bins[0]
    spectra = np.fft.rfft(frames * np.hanning(_WINDOW_SAMPLES), axis=1)
    powers = np.abs(spectra[:, int(edges[0]) : int(edges[-1]) + 1]) ** 2
    sums = np.concatenate((np.zeros((len(powers), 1)), np.cumsum(powers, axis=1)), axis=1)
    at_edges = sums[:, bins] * (1 - share) + sums[:, bins + 1] * share
    return np.diff(at_edges, axis=1)


def _packed(bits: NDArray[np.bool_]) -> Codes:
    """Makes one number of each row of 32 bits, the first band being the lowest bit."""
    rows = np.packbits(bits.reshape(-1, 32), axis=1, bitorder="little")
    return np.ascontiguousarray(rows).view("<u4").reshape(-1).astype(np.uint32)


def _key(codes: Codes, bits: Codes) -> Codes:
    """Takes 16 bits out of each code."""
    keys = np.zeros(len(codes), np.uint32)
    for place, bit in enumerate(bits):
        keys |= ((codes >> bit) & np.uint32(1)) << np.uint32(place)
    return keys
