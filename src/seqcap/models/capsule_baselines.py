"""The two capsule baselines without sequence: ``CNN_Cap`` and ``LSTM_Cap``, Secs. V-B and V-D.

Their votes have weights for each position in the utterance, so there is a greatest length. Longer
utterances are answered in chunks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqcap.models.branch import Branch, Trace
from seqcap.models.capsules import (
    PRIMARY_DIM,
    UTTERANCE_DIM,
    CapsuleSettings,
    PrimaryCapsules,
    Votes,
    lengths,
    output_vectors,
)
from seqcap.models.cnn import length_mask
from seqcap.models.recurrent import DenseHead, freeze_second_bias, run_padded
from seqcap.models.routing import squash


class InChunks(Branch):
    """Lets a branch of bounded length answer for any length.

    Choice: a longer utterance is cut into chunks of the greatest length. Their probabilities are
    averaged, each weighted by its steps, so that a last chunk of a few frames counts little.

    Args:
        branch: Answers for at most ``greatest`` steps.
        greatest: Steps of a chunk.
    """

    def __init__(self, branch: nn.Module, greatest: int) -> None:
        super().__init__()
        self.branch = branch
        self.shift_steps = greatest

    def encode(
        self,
        maps: Tensor,
        step_counts: Tensor,
        previous: Tensor | None = None,
        trace: Trace | None = None,
    ) -> tuple[Tensor, None]:
        """Turns maps into the log probabilities of their chunks.

        Args:
            maps: Shape ``(batch, channel, step, bin)``, zero behind each end.
            step_counts: Steps that count in each, shape ``(batch,)``.
            previous: Not used.
            trace: Takes couplings and capsules, if given.

        Returns:
            Log probabilities ``(batch, chunk, emotion)``, and None.
        """
        batch, channels, steps, bins = maps.shape
        chunk_count = max(1, -(-steps // self.shift_steps))
        if chunk_count > 1:
            maps = F.pad(maps, (0, 0, 0, chunk_count * self.shift_steps - steps))
        chunks = maps.reshape(batch, channels, chunk_count, -1, bins).transpose(1, 2).flatten(0, 1)
        counts = self._counts(step_counts, chunk_count)
        logits: Tensor = self.branch(chunks, counts.clamp(min=1).flatten(), trace)
        return logits.log_softmax(dim=-1).reshape(batch, chunk_count, -1), None

    def decide(self, features: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Averages the chunks' probabilities, weighted by their steps.

        Args:
            features: Log probabilities of the chunks, ``(batch, chunk, emotion)``.
            step_counts: Steps that count in each recording, shape ``(batch,)``.
            trace: Not used.

        Returns:
            Log probabilities ``(batch, emotion)``.
        """
        counts = self._counts(step_counts, features.shape[1])
        shares = counts / counts.sum(1, keepdim=True)
        return (features + shares.log().unsqueeze(-1)).logsumexp(dim=1)

    def _counts(self, step_counts: Tensor, chunk_count: int) -> Tensor:
        starts = torch.arange(chunk_count, device=step_counts.device) * self.shift_steps
        return (step_counts[:, None] - starts).clamp(0, self.shift_steps)  # (batch, chunk)


class WholeCapsuleBranch(nn.Module):
    """``CNN_Cap``: all windows' primary capsules routed at once, without sequence, Sec. V-D.

    The votes have weights for each window, so there is a greatest length.

    Args:
        channels: Channels of the CNN component's map.
        bins: Bins of that map.
        emotion_count: Number of emotions, each with a capsule of 16.
        settings: Windows and routing.
    """

    greatest_window_count = 200

    def __init__(
        self, channels: int, bins: int, emotion_count: int, settings: CapsuleSettings
    ) -> None:
        super().__init__()
        self.settings = settings
        self.primary = PrimaryCapsules(channels, bins, settings)
        lower = self.greatest_window_count * self.primary.per_window
        self.votes = Votes(lower, PRIMARY_DIM, emotion_count, UTTERANCE_DIM)

    @property
    def greatest_steps(self) -> int:
        """The longest map that the weights cover, in steps."""
        return (
            self.greatest_window_count - 1
        ) * self.settings.shift_steps + self.settings.window_steps

    def forward(self, maps: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns maps of at most `greatest_steps` steps into logits.

        Args:
            maps: Shape ``(batch, channel, step, bin)``, zero behind each end.
            step_counts: Steps that count in each, shape ``(batch,)``.
            trace: Takes couplings and capsules, if given.

        Returns:
            Logits ``(batch, emotion)``.
        """
        primary, mask = self.primary(maps, step_counts)
        iterations = self.settings.routing_iterations
        sums, couplings = self.votes(primary.flatten(1, 2), iterations, mask.flatten(1, 2))
        if trace is not None:
            trace["utterance_couplings"] = couplings
            trace["utterance_capsules"] = squash(sums)
        return length_logits(sums)


def length_logits(sums: Tensor) -> Tensor:
    r"""Reads capsule lengths as probabilities and gives their log odds.

    Choice: a softmax over lengths themselves could never be surer than e : 1. The length says how
    probable it is that the entity exists (Sec. IV-A), so its log odds are the logit; by Eq. (6)
    :math:`|v| = |s|^2 / (1 + |s|^2)`, so they are :math:`2 \log |s|`.

    Args:
        sums: :math:`s` of Eq. (5), shape ``(batch, emotion, dim)``.

    Returns:
        Logits, shape ``(batch, emotion)``.

    Example:
        >>> round(length_logits(torch.tensor([[[3.0, 4.0]]])).sigmoid().item(), 4)  # 25 / 26
        0.9615
    """
    wide = sums.to(torch.promote_types(sums.dtype, torch.float32))
    return 2 * lengths(wide).log()


class FrameCapsuleBranch(nn.Module):
    """``LSTM_Cap``: BLSTM, one capsule a frame, one routing, after Jalal et al. [43], Sec. V-B.

    Args:
        bins: Bins of the spectrograms.
        emotion_count: Number of emotions, each with a capsule of 32.
        settings: Routing iterations and dropout.
    """

    greatest_frames = 1000
    dim = 32

    def __init__(self, bins: int, emotion_count: int, settings: CapsuleSettings) -> None:
        super().__init__()
        self.iterations = settings.routing_iterations
        self.lstm = nn.LSTM(bins, 128, num_layers=2, batch_first=True, bidirectional=True)
        freeze_second_bias(self.lstm)
        # Four 1-D convolutions of 32 filters, side by side, are one of 128.
        self.convolutions = nn.Conv1d(256, 4 * 32, kernel_size=5, padding=2)
        self.votes = Votes(self.greatest_frames, 4 * 32, emotion_count, self.dim)
        self.head = DenseHead(emotion_count * (self.dim + 1), emotion_count, settings.dropout)

    def forward(self, maps: Tensor, frame_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns spectrograms of at most 1,000 frames into logits.

        Args:
            maps: Shape ``(batch, 1, frame, bin)``.
            frame_counts: Frames that count in each, shape ``(batch,)``.
            trace: Takes couplings and capsules, if given.

        Returns:
            Logits ``(batch, emotion)``.
        """
        states, _ = run_padded(self.lstm, maps[:, 0], frame_counts)
        primary = squash(self.convolutions(states.transpose(1, 2)).transpose(1, 2))
        mask = length_mask(frame_counts, primary.shape[1])
        sums, couplings = self.votes(primary, self.iterations, mask)
        capsules = squash(sums)
        if trace is not None:
            trace["utterance_couplings"] = couplings
            trace["utterance_capsules"] = capsules
        logits: Tensor = self.head(output_vectors(capsules))
        return logits
