"""Temperature scaling: calibrated probabilities (Guo et al., 2017)."""

import numpy as np
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

# Choice: the best temperature of one speaker says little about another's: 0.7 to 4.8 for systems
# with the same settings. So the estimate is shrunk to 1.5, the mean over three corpora, with the
# weight of four pseudo-speakers (`benchmarks/temperatures.py`).
_USUAL = 1.5
_SPEAKERS_ADDED = 4


def fit_temperature(logits: Tensor, labels: Tensor, speaker_count: int) -> float:
    """Fits the temperature that calibrates probabilities for other speakers.

    The estimate of `most_likely_temperature` is shrunk to 1.5, the mean over three corpora, with
    the weight of four pseudo-speakers.

    Args:
        logits: Shape ``(branch, batch, emotion)``, of utterances that were not trained on.
        labels: Indices of their emotions, shape ``(batch,)``.
        speaker_count: Number of their speakers; the fewer, the stronger is the shrinkage.

    Returns:
        The temperature; above one if the system was too confident.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]])  # .88 each
        >>> round(fit_temperature(logits, torch.tensor([0, 0, 1]), speaker_count=1), 2)
        1.71
    """
    logarithm = np.log(most_likely_temperature(logits, labels))
    total = speaker_count * logarithm + _SPEAKERS_ADDED * np.log(_USUAL)
    return float(np.exp(total / (speaker_count + _SPEAKERS_ADDED)))


def most_likely_temperature(logits: Tensor, labels: Tensor) -> float:
    """Fits the temperature of greatest likelihood (Guo et al., 2017).

    Args:
        logits: Shape ``(branch, batch, emotion)``.
        labels: Indices of emotions, shape ``(batch,)``.

    Returns:
        The temperature, 0.1 to 10.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]])  # .88 each
        >>> round(most_likely_temperature(logits, torch.tensor([0, 0, 1])), 2)  # 2 of 3 are right
        2.89
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.double() / np.exp(log_temperature)
        # Choice: one temperature for both branches, in front of the softmax of each.
        mean = scaled.softmax(-1).mean(0)
        return float(F.nll_loss(mean.log(), labels))

    return float(np.exp(minimize_scalar(loss, bounds=np.log([0.1, 10]), method="bounded").x))
