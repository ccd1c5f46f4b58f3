"""Temperature scaling: probabilities that mean what they say."""

import numpy as np
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Finds what to divide logits by so that probabilities are honest (Guo et al., 2017).

    Args:
        logits: Of utterances that the system was not trained on, ``(branch, batch, emotion)``.
        labels: What they are, ``(batch,)``.

    Returns:
        The temperature of the greatest likelihood, 0.1 to 10; above one: it was too sure.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.double() / np.exp(log_temperature)
        # Choice: one temperature for both branches, in front of the softmax of each.
        mean = scaled.softmax(-1).mean(0)
        return float(F.nll_loss(mean.log(), labels))

    return float(np.exp(minimize_scalar(loss, bounds=np.log([0.1, 10]), method="bounded").x))
