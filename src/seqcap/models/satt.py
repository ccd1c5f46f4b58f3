"""The baselines of Satt et al. 2017 [15], ``CNN`` and ``CNN_LSTM``, Sec. V-B."""

from torch import Tensor, nn

from seqcap.models.branch import Branch, Trace
from seqcap.models.cnn import Stage
from seqcap.models.recurrent import DenseHead, freeze_second_bias, run_padded

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


class PooledBranch(Branch):
    """``CNN``: the mean of the map over time, then dense layers; the order of bins is kept.

    Args:
        channels: Channels of the map.
        bins: Bins of the map.
        emotion_count: Number of emotions.
    """

    def __init__(self, channels: int, bins: int, emotion_count: int) -> None:
        super().__init__()
        self.head = DenseHead(channels * bins, emotion_count)

    def encode(
        self,
        maps: Tensor,
        step_counts: Tensor,
        previous: Tensor | None = None,
        trace: Trace | None = None,
    ) -> tuple[Tensor, None]:
        """Sums the map over its steps.

        Args:
            maps: Shape ``(batch, channel, step, bin)``, zero behind each end.
            step_counts: Not used.
            previous: Not used.
            trace: Not used.

        Returns:
            Sums ``(batch, 1, channel x bin)``, and None.
        """
        return maps.sum(2).flatten(1).unsqueeze(1), None  # maps are zero behind the end

    def decide(self, features: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns sums over chunks into logits.

        Args:
            features: Sums, shape ``(batch, chunk, channel x bin)``.
            step_counts: Steps that count in each recording, shape ``(batch,)``.
            trace: Not used.

        Returns:
            Logits ``(batch, emotion)``.
        """
        # Choice: Satt et al. work on segments of 3 s; a mean over time takes any length.
        logits: Tensor = self.head(features.sum(1) / step_counts.unsqueeze(1))
        return logits


class LSTMBranch(Branch):
    """``CNN_LSTM``: bidirectional LSTM of 128 over the map's steps, then dense layers.

    Args:
        channels: Channels of the map.
        bins: Bins of the map.
        emotion_count: Number of emotions.
    """

    def __init__(self, channels: int, bins: int, emotion_count: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels * bins, 128, batch_first=True, bidirectional=True)
        freeze_second_bias(self.lstm)
        self.head = DenseHead(2 * 128, emotion_count)

    def encode(
        self,
        maps: Tensor,
        step_counts: Tensor,
        previous: Tensor | None = None,
        trace: Trace | None = None,
    ) -> tuple[Tensor, None]:
        """Joins the channels and bins of each step.

        Args:
            maps: Shape ``(batch, channel, step, bin)``.
            step_counts: Not used.
            previous: Not used.
            trace: Not used.

        Returns:
            Steps ``(batch, step, bin x channel)``, and None.
        """
        return maps.permute(0, 2, 3, 1).flatten(2), None

    def decide(self, features: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns steps into logits.

        Args:
            features: Steps, shape ``(batch, step, bin x channel)``.
            step_counts: Steps that count in each recording, shape ``(batch,)``.
            trace: Not used.

        Returns:
            Logits ``(batch, emotion)``.
        """
        _, last_states = run_padded(self.lstm, features, step_counts)
        logits: Tensor = self.head(last_states)
        return logits
