"""A whole system: what makes a map, branches, and their answer, for recordings of any length."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from seqcap.models.branch import Branch, Trace
from seqcap.models.cnn import ConvolutionStack, Stage
from seqcap.models.speech_encoder import SpeechEncoder

BINS = 512  # 0 to 5.11 kHz on a grid of 10 Hz, Sec. VI-A


class System(nn.Module):
    """Convolutions or an encoder, then one branch or two, each with its own logits.

    Args:
        stages: The convolutional layers, none if the branch reads spectrograms itself; or an
            encoder in their place.
        branches: Makers of the branches from the map's channels and bins.
        shares: Each branch's share in the answer; they sum to one.

    Example:
        >>> from seqcap.models.systems import build
        >>> len(build("CNN_GRU-SeqCap", emotion_count=4).branches)
        2
    """

    branch_shares: Tensor

    def __init__(
        self,
        stages: tuple[Stage, ...] | SpeechEncoder,
        branches: Iterable[Callable[[int, int], Branch]],
        shares: tuple[float, ...] = (1.0,),
    ) -> None:
        super().__init__()
        self.cnn = ConvolutionStack(stages, BINS) if isinstance(stages, tuple) else stages
        self.branches = nn.ModuleList(make(self.cnn.channels, self.cnn.bins) for make in branches)
        self.register_buffer("branch_shares", torch.tensor(shares), persistent=False)

    def forward(
        self,
        spectrograms: Tensor,
        frame_counts: Tensor,
        trace: Trace | None = None,
        feature_means: Tensor | None = None,
    ) -> Tensor:
        """Gives each branch's logits.

        Args:
            spectrograms: Normalised log magnitudes, shape ``(batch, frame, bin)``; padding is
                not looked at.
            frame_counts: Frames that count in each, at least 1, shape ``(batch,)``.
            trace: Takes couplings, capsules and attention on the way, if given; see `Trace`.
            feature_means: What the encoder's features of each recording lose, shape
                ``(batch, 768)``; for systems with an encoder only.

        Returns:
            Logits, shape ``(branch, batch, emotion)``.

        Example:
            >>> from seqcap.models.systems import build
            >>> system = build("CNN_SeqCap", emotion_count=4)
            >>> system(torch.zeros(2, 100, 512), torch.tensor([100, 80])).shape
            torch.Size([1, 2, 4])
        """
        adapted = () if feature_means is None else (feature_means,)
        maps, step_counts = self.cnn(spectrograms, frame_counts, *adapted)
        return torch.stack([branch(maps, step_counts, trace) for branch in self.branches])

    def probabilities(self, logits: Tensor) -> Tensor:
        r"""Merges the branches: :math:`\lambda p_{capsule} + (1 - \lambda) p_{GRU}`, Sec. V-C.

        Args:
            logits: Shape ``(branch, batch, emotion)``.

        Returns:
            Probabilities, shape ``(batch, emotion)``.

        Example:
            >>> from seqcap.models.systems import build
            >>> system = build("CNN_GRU-SeqCap", emotion_count=2)
            >>> gru, capsules = [[0.0, 0.0]], [[100.0, 0.0]]
            >>> system.probabilities(torch.tensor([gru, capsules])).tolist()  # 0.4 x 0.5 + 0.6 x 1
            [[0.800000011920929, 0.20000000298023224]]
        """
        return torch.einsum("r,rbk->bk", self.branch_shares, logits.float().softmax(dim=-1))
