"""The paper's systems, Secs. III to V, under its names and in its order.

Every system is called alike: spectrograms ``(batch, frame, bin)`` and their frame counts go in,
logits ``(branch, batch, emotion)`` come out.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqcap.errors import SettingsError
from seqcap.models.capsules import (
    CapsuleBranch,
    CapsuleSettings,
    FrameCapsuleBranch,
    WholeCapsuleBranch,
)
from seqcap.models.cnn import CNN_COMPONENT, ConvolutionStack, Stage
from seqcap.models.recurrent import (
    DenseHead,
    GRUBranch,
    freeze_second_bias,
    run_padded,
)

BINS = 512  # 0 to 5.11 kHz on a grid of 10 Hz, Sec. VI-A
CAPSULE_SHARE = 0.6  # lambda, Sec. V-C

Trace = dict[str, Tensor]
"""Capsules, couplings and attention of a forward pass, by name."""


class System(nn.Module):
    """Convolutions, then one branch or two, each with its own logits.

    Args:
        stages: The convolutional layers; none if the branch reads spectrograms itself.
        branches: Makers of the branches from the map's channels and bins.
        shares: Each branch's share in the answer; they sum to one.
    """

    branch_shares: Tensor

    def __init__(
        self,
        stages: tuple[Stage, ...],
        branches: Iterable[Callable[[int, int], nn.Module]],
        shares: tuple[float, ...] = (1.0,),
    ) -> None:
        super().__init__()
        self.cnn = ConvolutionStack(stages, BINS)
        self.branches = nn.ModuleList(make(self.cnn.channels, self.cnn.bins) for make in branches)
        self.register_buffer("branch_shares", torch.tensor(shares), persistent=False)

    def forward(
        self, spectrograms: Tensor, frame_counts: Tensor, trace: Trace | None = None
    ) -> Tensor:
        """Gives each branch's logits.

        Args:
            spectrograms: Normalised log magnitudes, shape ``(batch, frame, bin)``; padding is
                not looked at.
            frame_counts: Frames that count in each, at least 1, shape ``(batch,)``.
            trace: Takes capsules, couplings and attention on the way, if given.

        Returns:
            Logits, shape ``(branch, batch, emotion)``.
        """
        maps, step_counts = self.cnn(spectrograms, frame_counts)
        return torch.stack([branch(maps, step_counts, trace) for branch in self.branches])

    def probabilities(self, logits: Tensor) -> Tensor:
        r"""Merges the branches: :math:`\lambda p_{capsule} + (1 - \lambda) p_{GRU}`, Sec. V-C.

        Args:
            logits: Shape ``(branch, batch, emotion)``.

        Returns:
            Probabilities, shape ``(batch, emotion)``.
        """
        return torch.einsum("r,rbk->bk", self.branch_shares, logits.float().softmax(dim=-1))


class InPieces(nn.Module):
    """Lets a branch of bounded length answer for any length.

    Choice: a longer utterance is cut into pieces of the greatest length; their probabilities are
    averaged, each weighted by its steps, so that a last piece of a few frames does not outvote.

    Args:
        branch: Answers for at most ``greatest`` steps.
        greatest: Steps of a piece.
    """

    def __init__(self, branch: nn.Module, greatest: int) -> None:
        super().__init__()
        self.branch = branch
        self.greatest = greatest

    def forward(self, maps: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns maps ``(batch, channel, step, bin)`` of any length into log probabilities."""
        batch, steps = maps.shape[0], maps.shape[2]
        piece_count = max(1, -(-steps // self.greatest))
        if piece_count > 1:
            maps = F.pad(maps, (0, 0, 0, piece_count * self.greatest - steps))
        pieces = maps.unflatten(2, (piece_count, -1)).transpose(1, 2).flatten(0, 1)
        starts = torch.arange(piece_count, device=maps.device) * self.greatest
        counts = (step_counts[:, None] - starts).clamp(0, self.greatest)  # (batch, piece)
        logits = self.branch(pieces, counts.clamp(min=1).flatten(), trace)
        log_probabilities = logits.log_softmax(dim=-1).unflatten(0, (batch, piece_count))
        shares = counts / counts.sum(1, keepdim=True)
        return (log_probabilities + shares.log().unsqueeze(-1)).logsumexp(dim=1)


class PooledBranch(nn.Module):
    """``CNN``: the mean of the map over time and frequency's order kept, then dense layers.

    Args:
        channels: Channels of the map.
        bins: Bins of the map.
        emotion_count: Emotions told apart.
    """

    def __init__(self, channels: int, bins: int, emotion_count: int) -> None:
        super().__init__()
        self.head = DenseHead(channels * bins, emotion_count)

    def forward(self, maps: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns maps ``(batch, channel, step, bin)`` into logits ``(batch, emotion)``."""
        # Choice: Satt et al. work on 3-second pieces; a mean over time takes any length.
        means = maps.sum(2) / step_counts[:, None, None]  # maps are zero behind the end
        return self.head(means.flatten(1))


class LSTMBranch(nn.Module):
    """``CNN_LSTM``: bidirectional LSTM of 128 over the map's steps, then dense layers.

    Args:
        channels: Channels of the map.
        bins: Bins of the map.
        emotion_count: Emotions told apart.
    """

    def __init__(self, channels: int, bins: int, emotion_count: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels * bins, 128, batch_first=True, bidirectional=True)
        freeze_second_bias(self.lstm)
        self.head = DenseHead(2 * 128, emotion_count)

    def forward(self, maps: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns maps ``(batch, channel, step, bin)`` into logits ``(batch, emotion)``."""
        _, last_states = run_padded(self.lstm, maps.permute(0, 2, 3, 1).flatten(2), step_counts)
        return self.head(last_states)


# Choice: Satt et al. [15] name five convolutional layers and no sizes in public reach; these keep
# the first kernels of their CNN_LSTM and shrink the map to 32 x 8 values a step.
SATT_CNN = (
    Stage(16, kernels=((12, 16),), pooling=(4, 2)),
    Stage(24, kernels=((8, 12),), pooling=(2, 2)),
    Stage(32, kernels=((5, 7),), pooling=(2, 2)),
    Stage(32, kernels=((5, 5),), pooling=(2, 1)),
    Stage(32, kernels=((3, 3),), pooling=(2, 1)),
)
# Choice: kernels as Satt et al. give them, read as frequency x time; pooling 4x2 each, so that 8
# bins and 80 ms a step are left.
SATT_CNN_LSTM = (
    Stage(16, kernels=((12, 16),), pooling=(4, 2)),
    Stage(24, kernels=((8, 12),), pooling=(4, 2)),
    Stage(32, kernels=((5, 7),), pooling=(4, 2)),
)


def _gru(emotion_count: int, attention: bool = False) -> Callable[[int, int], nn.Module]:
    return lambda channels, bins: GRUBranch(channels, bins, emotion_count, attention)


def _capsules(
    emotion_count: int, recurrent: bool, settings: CapsuleSettings
) -> Callable[[int, int], nn.Module]:
    return lambda channels, bins: CapsuleBranch(channels, bins, emotion_count, recurrent, settings)


def _cnn(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(SATT_CNN, [lambda c, b: PooledBranch(c, b, emotion_count)])


def _cnn_lstm(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(SATT_CNN_LSTM, [lambda c, b: LSTMBranch(c, b, emotion_count)])


def _cnn_gru(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(CNN_COMPONENT, [_gru(emotion_count)])


def _cnn_gru_att(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(CNN_COMPONENT, [_gru(emotion_count, attention=True)])


def _lstm_cap(emotion_count: int, settings: CapsuleSettings) -> System:
    def make(channels: int, bins: int) -> nn.Module:
        return InPieces(
            FrameCapsuleBranch(bins, emotion_count, settings), FrameCapsuleBranch.greatest_frames
        )

    return System((), [make])


def _cnn_cap(emotion_count: int, settings: CapsuleSettings) -> System:
    def make(channels: int, bins: int) -> nn.Module:
        branch = WholeCapsuleBranch(channels, bins, emotion_count, settings)
        return InPieces(branch, branch.greatest_steps)

    return System(CNN_COMPONENT, [make])


def _cnn_seqcap(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(CNN_COMPONENT, [_capsules(emotion_count, False, settings)])


def _cnn_reccap(emotion_count: int, settings: CapsuleSettings) -> System:
    return System(CNN_COMPONENT, [_capsules(emotion_count, True, settings)])


def _cnn_gru_seqcap(emotion_count: int, settings: CapsuleSettings) -> System:
    return _two_branches(emotion_count, False, settings)


def _cnn_gru_reccap(emotion_count: int, settings: CapsuleSettings) -> System:
    return _two_branches(emotion_count, True, settings)


def _two_branches(emotion_count: int, recurrent: bool, settings: CapsuleSettings) -> System:
    branches = [_gru(emotion_count), _capsules(emotion_count, recurrent, settings)]
    return System(CNN_COMPONENT, branches, shares=(1 - CAPSULE_SHARE, CAPSULE_SHARE))


@dataclass(frozen=True)
class Description:
    """One row of ``SYSTEMS``.

    Attributes:
        make: Builds it from the number of emotions and the capsules' settings.
        paper_count: Parameters in Table II; None where the paper counts none.
        section: Where the paper describes it.
        streams: Its answer can be carried on as sound comes, without looking back.
        any_length: Its weights know no greatest length (others answer in pieces).
    """

    make: Callable[[int, CapsuleSettings], System] = field(repr=False)
    paper_count: int | None
    section: str
    streams: bool
    any_length: bool


SYSTEMS: dict[str, Description] = {
    "CNN": Description(_cnn, None, "V-B [15]", streams=True, any_length=True),
    "CNN_LSTM": Description(_cnn_lstm, None, "V-B [15]", streams=False, any_length=True),
    "CNN_GRU": Description(_cnn_gru, 833_012, "V-B", streams=False, any_length=True),
    "CNN_GRU_Att": Description(_cnn_gru_att, None, "V-B", streams=False, any_length=True),
    "LSTM_Cap": Description(_lstm_cap, 17_607_492, "V-B [43]", streams=False, any_length=False),
    "CNN_Cap": Description(_cnn_cap, 131_110_832, "V-D", streams=False, any_length=False),
    "CNN_SeqCap": Description(_cnn_seqcap, 703_540, "IV-B", streams=True, any_length=True),
    "CNN_RecCap": Description(_cnn_reccap, 708_148, "IV-C", streams=True, any_length=True),
    "CNN_GRU-SeqCap": Description(
        _cnn_gru_seqcap, 1_523_448, "V-C", streams=False, any_length=True
    ),
    "CNN_GRU-RecCap": Description(
        _cnn_gru_reccap, 1_528_056, "V-C", streams=False, any_length=True
    ),
}


def build(
    name: str, emotion_count: int, settings: CapsuleSettings | None = None, seed: int | None = None
) -> System:
    """Builds a system and initialises it as Sec. V-E.

    Args:
        name: One of ``SYSTEMS``.
        emotion_count: Emotions told apart, at least 2.
        settings: Windows and routing of the capsules; the paper's if None.
        seed: Makes the weights reproducible; torch's global state decides if None.

    Returns:
        The system, on the CPU, in training mode.

    Raises:
        SettingsError: An unknown name, or fewer than two emotions.

    Example:
        >>> count_parameters(build("CNN_SeqCap", emotion_count=4))
        703540
    """
    if name not in SYSTEMS:
        raise SettingsError(f"system '{name}' is unknown; one of {', '.join(SYSTEMS)} is expected")
    if emotion_count < 2:
        raise SettingsError(f"{emotion_count} emotions came; at least 2 are needed")
    generator = torch.Generator()
    generator.manual_seed(torch.initial_seed() if seed is None else seed)
    with torch.device("cpu"):
        system = SYSTEMS[name].make(emotion_count, settings or CapsuleSettings())
    initialise(system, generator)
    # Convolutions with channels last run about twice as fast on the CPU and on tensor cores.
    return system.to(memory_format=torch.channels_last)


def initialise(system: nn.Module, generator: torch.Generator) -> None:
    """Xavier initialisation of all weights, zeros for all biases, Sec. V-E.

    Choice: uniform; a vote's fan is that of its own matrix W_ij, a recurrent gate's that of its
    own matrix.

    Args:
        system: What is initialised, in place.
        generator: Where the numbers come from.
    """
    for module in system.modules():
        for name, weight in module.named_parameters(recurse=False):
            if "bias" in name:
                nn.init.zeros_(weight)
            else:
                bound = math.sqrt(6 / sum(fans(module, weight)))
                nn.init.uniform_(weight, -bound, bound, generator=generator)


def fans(module: nn.Module, weight: Tensor) -> tuple[int, int]:
    """Values that go into and come out of one unit of a weight, for Xavier's formula."""
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        kernel = weight[0, 0].numel()
        return weight.shape[1] * kernel, weight.shape[0] * kernel
    if isinstance(module, nn.RNNBase):
        return weight.shape[1], module.hidden_size
    return weight.shape[-1], weight.shape[-2]


def count_parameters(system: nn.Module) -> int:
    """Counts trainable parameters, as Table II does."""
    return sum(p.numel() for p in system.parameters() if p.requires_grad)
