"""A frozen encoder that was trained on speech, in the place of the convolutions.

    frames (B, T, 512) -> mel bands (B, T, 80) -> convolutions (B, T / 2, 384)
                       -> two layers of attention -> map (B, 16, T / 4, 16)

B utterances, T frames. The weights are those of Whisper tiny (Radford et al., "Robust Speech
Recognition via Large-Scale Weak Supervision", 2022) as Smart Turn v3.2 has them, in integers of 8
bits: `whisper/`. Whisper was trained on 680,000 hours of speech in many languages, without
emotions. Only a linear layer from its features to a map of Table I's size is trained here.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from seqcap.models.cnn import length_mask

WEIGHTS_FILE = Path(__file__).parent / "whisper" / "encoder.safetensors"
LAYERS = 2
WIDTH, HEADS, BANDS = 384, 6, 80
# Choice: attention stays within 4 s, so that a long recording is a row of short ones.
BLOCK_FRAMES = 400
BLOCK_STEPS = BLOCK_FRAMES // 2  # of 20 ms, of the encoder
FRAMES_PER_STEP = 4  # of the map, as behind Table I
CHANNELS, BINS_OF_MAP = 16, 16

DROPOUT = 0.3  # of the features, in training; by development

_BIN_HZ, _TOP_HZ = 10.0, 8000.0
_FLOOR = 1e-6  # the power that `FLOOR` of the spectrogram stands for
# What brings speech at the level of the recipes to the level that Whisper knows: unit variance.
LEVEL = 2.0 * (400 / 640) / 4 / 0.0018**2
LEAST = -5.0  # log10 of the least power in a band


def mel_filters() -> NDArray[np.float32]:
    """Gives Slaney's mel filters from 0 to 8 kHz for bins of 10 Hz, shape ``(800, 80)``.

    Example:
        >>> filters = mel_filters()
        >>> filters.shape, int(filters[100].argmax())  # 1 kHz
        ((800, 80), 26)
    """
    edges = _hz(np.linspace(0.0, _mel(_TOP_HZ), BANDS + 2))
    hz = np.arange(round(_TOP_HZ / _BIN_HZ))[:, None] * _BIN_HZ
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    slopes = np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre))
    return (np.maximum(slopes, 0) * 2 / (high - low)).astype(np.float32)


def _mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + math.log(hz / 1000) * 27 / math.log(6.4)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


class SpeechEncoder(nn.Module):
    """Whisper's first layers on the standard spectrogram; the last layer alone is trained.

    Recordings are encoded in blocks of 4 s. Padding is not looked at.

    Example:
        >>> encoder = SpeechEncoder()
        >>> maps, steps = encoder(torch.zeros(2, 100, 512), torch.tensor([100, 41]))
        >>> maps.shape, steps.tolist()
        (torch.Size([2, 16, 25, 16]), [25, 11])
    """

    channels, bins = CHANNELS, BINS_OF_MAP
    frames_per_step = FRAMES_PER_STEP
    block_steps = BLOCK_FRAMES // FRAMES_PER_STEP
    context_steps = block_steps  # a block is encoded as a whole
    before_steps = 0  # since chunks begin with a block

    filters: Tensor
    above: Tensor
    feature_mean: Tensor  # what features lose: zeros, or the mean of the speaker adapted to

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}
        for name, value in read_weights().items():
            self._names[name] = name.replace(".", "_")
            self.register_buffer(self._names[name], value, persistent=False)
        filters = torch.from_numpy(mel_filters())
        bin_count = len(self.weight("mean"))
        self.register_buffer("filters", filters[:bin_count], persistent=False)
        # Above 5.11 kHz there is nothing to hear.
        self.register_buffer("above", _FLOOR * filters[bin_count:].sum(0), persistent=False)
        self.register_buffer("feature_mean", torch.zeros(LAYERS * WIDTH), persistent=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.to_map = nn.Linear(LAYERS * WIDTH, CHANNELS * BINS_OF_MAP)

    def weight(self, name: str) -> Tensor:
        """Gives one of the frozen weights.

        Args:
            name: As in `read_weights`.
        """
        value: Tensor = getattr(self, self._names[name])
        return value

    def forward(
        self, spectrograms: Tensor, frame_counts: Tensor, feature_means: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Turns spectrograms into feature maps, as `ConvolutionStack`.

        Args:
            spectrograms: Normalised log magnitudes, shape ``(batch, frame, bin)``; what stands
                behind an utterance's end is not looked at.
            frame_counts: Frames that count in each, shape ``(batch,)``.
            feature_means: What the features of each lose, shape ``(batch, 768)``; if None,
                `feature_mean`.

        Returns:
            Maps ``(batch, 16, step, 16)``, zero behind each utterance's end, and the steps that
            count in each, ``(batch,)``.
        """
        features, counted = self.features(spectrograms, frame_counts)
        lost = self.feature_mean if feature_means is None else feature_means.unsqueeze(1)
        features = features - lost
        maps = F.relu(self.to_map(self.dropout(features))).unflatten(-1, (CHANNELS, BINS_OF_MAP))
        maps = maps.transpose(1, 2) * counted[:, None, :, None]
        return maps, -(-frame_counts // FRAMES_PER_STEP)

    def features(self, spectrograms: Tensor, frame_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Gives what the frozen layers make of spectrograms.

        Args:
            spectrograms: As for `forward`.
            frame_counts: As for `forward`.

        Returns:
            Shape ``(batch, step, 768)``, and which steps count, ``(batch, step)``.
        """
        step_counts = -(-frame_counts // FRAMES_PER_STEP)
        counted = length_mask(frame_counts, spectrograms.shape[1]).unsqueeze(-1)
        bands = torch.where(counted, self.mel_bands(torch.where(counted, spectrograms, 0)), 0)
        length = -(-spectrograms.shape[1] // FRAMES_PER_STEP) * FRAMES_PER_STEP
        block = min(length, BLOCK_FRAMES)
        blocks = -(-length // block)
        bands = F.pad(bands, (0, 0, 0, blocks * block - bands.shape[1]))
        whole = length_mask(step_counts * FRAMES_PER_STEP, bands.shape[1])
        features = self.encode(bands.reshape(-1, block, BANDS), whole.reshape(-1, block))
        features = features.reshape(len(spectrograms), -1, 2, LAYERS * WIDTH).mean(2)
        features = features[:, : length // FRAMES_PER_STEP]
        return features, length_mask(step_counts, features.shape[1])

    def mean_features(self, spectrograms: Tensor, frame_counts: Tensor) -> Tensor:
        """Gives the mean of each recording's features over its steps.

        Args:
            spectrograms: As for `forward`.
            frame_counts: As for `forward`.

        Returns:
            Shape ``(batch, 768)``.
        """
        features, counted = self.features(spectrograms, frame_counts)
        weights = counted.unsqueeze(-1).to(features)
        return (features * weights).sum(1) / weights.sum(1)

    def mel_bands(self, spectrograms: Tensor) -> Tensor:
        """Turns normalised spectrograms into what Whisper takes, ``(batch, frame, 80)``.

        Args:
            spectrograms: Shape ``(batch, frame, bin)``. The mean spectrum of normalised ones is
                replaced by that of the speech that seqcap was trained on.
        """
        with torch.autocast(spectrograms.device.type, enabled=False):
            logs = spectrograms.float() * self.weight("deviation") + self.weight("mean")
            powers = torch.exp(2 * logs) @ self.filters + self.above
            return ((powers * LEVEL).log10().clamp(min=LEAST) + 4) / 4

    def encode(self, bands: Tensor, counted: Tensor) -> Tensor:
        """Gives the features of blocks: each layer's, side by side, of zero mean and unit variance.

        Args:
            bands: Zero behind each end, shape ``(block, frame, 80)``.
            counted: Which frames count, in fours, shape ``(block, frame)``.

        Returns:
            Shape ``(block, frame / 2, 768)``.
        """
        shown = counted.unsqueeze(1)
        steps = F.gelu(self._convolve(1, bands.transpose(1, 2), stride=1)) * shown
        steps = F.gelu(self._convolve(2, steps, stride=2)).transpose(1, 2)
        steps = steps + self.weight("positions")[: steps.shape[1]]
        keys = counted[:, ::2]
        keys = keys | ~keys.any(1, keepdim=True)  # softmax needs one
        layers = []
        for layer in range(LAYERS):
            steps = self._attend(layer, steps, keys[:, None, None])
            widened = F.gelu(self._linear(layer, "widen", self._norm(layer, "dense_norm", steps)))
            steps = steps + self._linear(layer, "narrow", widened)
            layers.append(self._norm(layer, "output_norm", steps))
        return torch.cat(layers, -1)

    def _attend(self, layer: int, steps: Tensor, mask: Tensor) -> Tensor:
        normed = self._norm(layer, "attention_norm", steps)
        query, key, value = (
            self._linear(layer, name, normed).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value, mask)
        return steps + self._linear(layer, "mix", mixed.transpose(1, 2).flatten(2))

    def _convolve(self, place: int, values: Tensor, stride: int) -> Tensor:
        name = f"convolution_{place}"
        weight, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return F.conv1d(values, weight, bias, stride, padding=1)

    def _norm(self, layer: int, name: str, steps: Tensor) -> Tensor:
        weight, bias = (self.weight(f"layer_{layer}.{name}.{part}") for part in ("weight", "bias"))
        return F.layer_norm(steps, (WIDTH,), weight, bias)

    def _linear(self, layer: int, name: str, values: Tensor) -> Tensor:
        bias = None if name == "key" else self.weight(f"layer_{layer}.{name}.bias")
        return F.linear(values, self.weight(f"layer_{layer}.{name}.weight"), bias)


def read_integers() -> dict[str, Tensor]:
    """Reads the weights as they are stored: integers of 8 bits, ``.scale`` and ``.bias``.

    Matrices are ``(input, output)``, with a scale for each output; convolutions ``(output, input,
    kernel)``.
    """
    return load_file(WEIGHTS_FILE)


def read_weights() -> dict[str, Tensor]:
    """Reads the frozen weights in 32 bits; matrices as `torch.nn.functional.linear` takes them.

    Example:
        >>> read_weights()["layer_0.widen.weight"].shape
        torch.Size([1536, 384])
    """
    stored = read_integers()
    result = {}
    for name, value in stored.items():
        if name.endswith(".scale"):
            continue
        if value.dtype == torch.int8:
            scale = stored[f"{name.removesuffix('.weight')}.scale"]
            matrix = value.ndim == 2
            value = value.float() * (scale if matrix else scale[:, None, None])
            value = value.T.contiguous() if matrix else value
        result[name] = value
    return result
