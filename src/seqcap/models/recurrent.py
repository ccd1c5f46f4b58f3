"""The recurrent parts: the GRU branch, with attention or without, and BLSTM layers, Sec. V-B.

Axis order of sequences: ``(batch, step, feature)``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqcap.models.branch import Branch, Trace
from seqcap.models.cnn import length_mask

STEPS_PER_STACK = 8  # 8 steps x 16 channels x 16 bins = 2,048 values, Table II


def attend(steps: Tensor, weights: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Sums a sequence with attention, Eqs. (1)-(2).

    Args:
        steps: :math:`y_t`, shape ``(batch, step, feature)``.
        weights: :math:`w`, shape ``(feature,)``.
        mask: True where a step counts, shape ``(batch, step)``; all count if None.

    Returns:
        The sum :math:`z`, shape ``(batch, feature)``, and the attention :math:`\alpha`, shape
        ``(batch, step)``, which sums to one over the steps that count.

    Example:
        >>> steps = torch.tensor([[[0.0, 4.0], [0.0, 2.0]]])
        >>> z, attention = attend(steps, torch.tensor([1.0, 0.0]))
        >>> z.tolist(), attention.tolist()
        ([[0.0, 3.0]], [[0.5, 0.5]])
    """
    scores = steps @ weights
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    attention = scores.softmax(dim=1)
    return torch.einsum("bt,btf->bf", attention, steps), attention


def freeze_second_bias(layer: nn.RNNBase) -> None:
    """Leaves a recurrent layer one bias per gate, as Table II counts: the second stays zero.

    Args:
        layer: GRU or LSTM.
    """
    for name, parameter in layer.named_parameters():
        if name.startswith("bias_hh"):
            nn.init.zeros_(parameter)
            parameter.requires_grad_(False)


def run_padded(layer: nn.RNNBase, steps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Runs a bidirectional layer over padded sequences, each to its own end.

    Args:
        layer: A bidirectional GRU or LSTM with ``batch_first``.
        steps: Shape ``(batch, step, feature)``.
        counts: Steps that count in each, at least 1, shape ``(batch,)``.

    Returns:
        Outputs ``(batch, step, 2 x cells)``, zero behind each end, and the last forward state
        beside the first backward state, ``(batch, 2 x cells)``.
    """
    length = steps.shape[1]
    if bool((counts == length).all()):  # nothing to pack: up to four times as fast
        if torch.is_autocast_enabled("cpu") and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            # oneDNN has no bfloat16 LSTM for such processors.
            with torch.autocast("cpu", enabled=False):
                outputs, states = layer(steps.float())
        else:
            outputs, states = layer(steps)
    else:
        packed = pack_padded_sequence(steps, counts.cpu(), batch_first=True, enforce_sorted=False)
        outputs, states = layer(packed)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=length)
    hidden = states[0] if isinstance(states, tuple) else states
    return outputs, torch.cat((hidden[-2], hidden[-1]), dim=-1)


class DenseHead(nn.Module):
    """Dense layer of 64, ReLU, dropout, and the linear layer of one unit an emotion, Sec. V-B.

    Args:
        features: Values that come in.
        emotion_count: Units of the last layer.
        dropout: Share of the 64 units dropped in training.
    """

    def __init__(self, features: int, emotion_count: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, 64)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(64, emotion_count)

    def forward(self, features: Tensor) -> Tensor:
        """Turns ``(batch, feature)`` into logits ``(batch, emotion)``.

        Args:
            features: Shape ``(batch, feature)``.
        """
        logits: Tensor = self.logits(self.dropout(F.relu(self.hidden(features))))
        return logits


class AttentionHead(nn.Module):
    r"""Dense layer of 64 per step, then attentional pooling, Sec. V-B.

    :math:`logit_k = \sum_t softmax_t(x_t b) (x_t a_k)`, after Girdhar and Ramanan: b says, for
    all emotions alike, where to look (bottom-up), a_k what speaks for emotion k (top-down).

    Args:
        features: Values of a step that come in.
        emotion_count: How many :math:`a_k`.
        dropout: Share of the 64 units dropped in training.
    """

    def __init__(self, features: int, emotion_count: int, dropout: float = 0.5) -> None:
        super().__init__()
        # Choice: "replaces the last dense layer" leaves the dense layer of 64 where it was; it
        # now works on every step.
        self.hidden = nn.Linear(features, 64)
        self.dropout = nn.Dropout(dropout)
        self.bottom_up = nn.Parameter(torch.empty(1, 64))  # b
        self.top_down = nn.Parameter(torch.empty(emotion_count, 64))  # a_k

    def forward(self, steps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turns steps into logits.

        Args:
            steps: Shape ``(batch, step, feature)``.
            mask: True where a step counts, shape ``(batch, step)``.

        Returns:
            Logits ``(batch, emotion)`` and the attention ``(batch, step)``.
        """
        hidden = self.dropout(F.relu(self.hidden(steps)))
        pooled, attention = attend(hidden, self.bottom_up[0], mask)
        return pooled @ self.top_down.T, attention


class GRUBranch(Branch):
    """Bidirectional GRU over stacked steps of the CNN component's map, Secs. III-B and V-B.

    Args:
        channels: Channels of the map.
        bins: Bins of the map.
        emotion_count: Number of emotions.
        attention: Attentional pooling over all states instead of the last ones.

    Example:
        >>> branch = GRUBranch(16, 16, 4, attention=False)
        >>> branch(torch.zeros(1, 16, 20, 16), torch.tensor([20])).shape
        torch.Size([1, 4])
    """

    shift_steps = STEPS_PER_STACK

    def __init__(self, channels: int, bins: int, emotion_count: int, attention: bool) -> None:
        super().__init__()
        self.gru = nn.GRU(
            channels * bins * STEPS_PER_STACK, 64, batch_first=True, bidirectional=True
        )
        freeze_second_bias(self.gru)
        self.head = (AttentionHead if attention else DenseHead)(128, emotion_count)

    def encode(
        self,
        maps: Tensor,
        step_counts: Tensor,
        previous: Tensor | None = None,
        trace: Trace | None = None,
    ) -> tuple[Tensor, None]:
        """Stacks the map's steps by 8, Sec. V-B.

        Args:
            maps: Shape ``(batch, channel, step, bin)``, zero behind each end.
            step_counts: Steps that count in each, shape ``(batch,)``; not used.
            previous: Not used.
            trace: Not used.

        Returns:
            Stacks ``(batch, stack, 2048)``, and None.

        Example:
            >>> branch = GRUBranch(16, 16, 4, attention=False)
            >>> branch.encode(torch.zeros(1, 16, 20, 16), torch.tensor([20]))[0].shape
            torch.Size([1, 3, 2048])
        """
        maps = F.pad(maps, (0, 0, 0, -maps.shape[2] % STEPS_PER_STACK))
        batch, _, steps, _ = maps.shape
        return maps.permute(0, 2, 3, 1).reshape(batch, steps // STEPS_PER_STACK, -1), None

    def decide(self, features: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Runs the GRU over all stacks and turns its states into logits, Sec. V-B.

        Args:
            features: Stacks, shape ``(batch, stack, 2048)``.
            step_counts: Steps that count in each utterance, shape ``(batch,)``.
            trace: Takes the attention, if given and if there is any.

        Returns:
            Logits, shape ``(batch, emotion)``.

        Example:
            >>> branch = GRUBranch(16, 16, 4, attention=False)
            >>> branch.decide(torch.zeros(1, 3, 2048), torch.tensor([20])).shape
            torch.Size([1, 4])
        """
        stack_counts = -(-step_counts // STEPS_PER_STACK)
        outputs, last_states = run_padded(self.gru, features, stack_counts)
        logits: Tensor
        if isinstance(self.head, DenseHead):
            logits = self.head(last_states)
            return logits
        logits, attention = self.head(outputs, length_mask(stack_counts, features.shape[1]))
        if trace is not None:
            trace["attention"] = attention
        return logits
