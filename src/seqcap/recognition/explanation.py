r"""Why an answer came out: which seconds and which part of the spectrogram spoke for it.

- The capsules' own account: the utterance capsule of emotion k is the sum over windows w of
  :math:`c_{wk} \hat u_{k|w}`, coupling times vote (Eqs. (4), (5)). The dense layers read all
  capsules, so what a window adds to an emotion is read through them: integrated gradients from
  empty capsules on, over which each window's terms add up.
- Gradients of the answer's logit, plain (Fig. 8) and integrated (Sundararajan et al. 2017), for
  every model.

`benchmarks/explanation.py` tests what each is worth. Axis order: maps ``(frame, bin)``, windows
``(window, emotion)``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from seqcap.audio.source import Source
from seqcap.audio.spectrogram import FRAMES_PER_S, FloatArray
from seqcap.errors import AudioError, SettingsError
from seqcap.models.branch import Trace
from seqcap.models.capsules import CapsuleBranch, output_vectors
from seqcap.models.routing import squash
from seqcap.models.system import System
from seqcap.recognition.answers import Answer
from seqcap.recognition.recordings import LONGEST_HELD_S, prepare, read_recording

if TYPE_CHECKING:
    from seqcap.recognition.recognizer import Recognizer

INTEGRATION_STEPS = 32
_STEPS_AT_ONCE = 8


@dataclass(frozen=True)
class Explanation:
    """Why an answer came out.

    Attributes:
        answer: The answer.
        emotion: Whose logit `gradient` and `integrated` explain.
        waveform: The recording, 16 kHz mono, shape ``(samples,)``.
        spectrogram: As the system sees it, normalised, shape ``(frame, bin)``.
        start_s: Where the first frame begins, seconds.
        gradient: How much the logit rises with each point, ``(frame, bin)``.
        integrated: What each point adds to the logit over the mean spectrum, ``(frame, bin)``;
            their sum is the whole difference.
        window_bounds_s: Start and end of each window, seconds, ``(window, 2)``.
        couplings: Of each window with each emotion's capsule, ``(window, emotion)``; without
            windows for systems without sequential capsules.
        evidence: What each window adds to the logarithm of each emotion's probability, of the
            branch of capsules alone, ``(window, emotion)``.
    """

    answer: Answer
    emotion: str
    waveform: FloatArray
    spectrogram: FloatArray
    start_s: float
    gradient: FloatArray
    integrated: FloatArray
    window_bounds_s: FloatArray
    couplings: FloatArray
    evidence: FloatArray


def explain(
    recognizer: "Recognizer",
    source: Source,
    *,
    emotion: str | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    name: str | None = None,
) -> Explanation:
    """Explains the answer to a recording of up to a minute.

    Args:
        recognizer: Answers; its system runs in torch.
        source: As for `Recognizer.recognize`.
        emotion: Which emotion's logit to explain; the most probable one if None.
        start_s: As for `Recognizer.recognize`.
        end_s: As for `Recognizer.recognize`.
        name: As for `Recognizer.recognize`.

    Raises:
        AudioError: It cannot be read, or is longer than a minute.
        SettingsError: The model does not know the emotion.
    """
    answer = recognizer.recognize(source, start_s=start_s, end_s=end_s, name=name, timeline=False)
    emotions = recognizer.emotions
    wanted = emotion or max(answer.probabilities, key=answer.probabilities.__getitem__)
    if wanted not in emotions:
        raise SettingsError(f"emotion '{wanted}'; one of {', '.join(emotions)} is expected")
    recording = read_recording(source, start_s=start_s, end_s=end_s, name=name, warn=False)
    if not recording.is_short or recording.waveform is None:
        raise AudioError(
            f"{recording.name}: {recording.end_s - recording.start_s:.0f} s; at most "
            f"{LONGEST_HELD_S:g} s can be explained, name a part of it"
        )
    normalisation = recognizer.checkpoint.normalisation
    prepared = prepare(recording, normalisation)
    spectrogram = normalisation(next(prepared.blocks()))
    system, target = recognizer.system, emotions.index(wanted)
    bounds, couplings, evidence = window_evidence(system, spectrogram)
    return Explanation(
        answer=answer,
        emotion=wanted,
        waveform=recording.waveform,
        spectrogram=spectrogram,
        start_s=prepared.trimmed_start_s,
        gradient=gradient_of_logit(system, spectrogram, target),
        integrated=integrated_gradient(system, spectrogram, target),
        window_bounds_s=np.float32(prepared.trimmed_start_s) + bounds,
        couplings=couplings,
        evidence=evidence,
    )


def gradient_of_logit(system: System, spectrogram: FloatArray, target: int) -> FloatArray:
    """Computes how much an emotion's logit rises with each point of a spectrogram, Fig. 8.

    Choice: the logit of a system with two branches is their sum, weighted as their probabilities.

    Args:
        system: In evaluation mode.
        spectrogram: Normalised, shape ``(frame, bin)``.
        target: Index of the emotion.

    Returns:
        Shape ``(frame, bin)``.
    """
    return _gradients(system, torch.from_numpy(spectrogram)[None], target)[0]


def integrated_gradient(system: System, spectrogram: FloatArray, target: int) -> FloatArray:
    """Computes what each point adds to an emotion's logit, from the mean spectrum on.

    The integral of the gradient on the straight way from zeros, the mean over the training part,
    to the spectrogram, by the midpoint rule; times the way.

    Args:
        system: In evaluation mode.
        spectrogram: Normalised, shape ``(frame, bin)``.
        target: Index of the emotion.

    Returns:
        Shape ``(frame, bin)``; the sum is the difference of the logits at both ends, up to the
        error of the rule.
    """
    whole = torch.from_numpy(spectrogram)
    shares = (torch.arange(INTEGRATION_STEPS) + 0.5) / INTEGRATION_STEPS
    total = np.zeros_like(spectrogram)
    for part in shares.split(_STEPS_AT_ONCE):
        total += _gradients(system, part[:, None, None] * whole, target).sum(0)
    return spectrogram * (total / np.float32(INTEGRATION_STEPS))


def logit_of_answer(system: System, spectrograms: Tensor) -> Tensor:
    """The branches' logits, summed by their shares.

    Args:
        system: In evaluation mode.
        spectrograms: Normalised, all of one length, shape ``(batch, frame, bin)``.

    Returns:
        Shape ``(batch, emotion)``.
    """
    spectrograms = spectrograms.to(system.branch_shares.device)
    counts = torch.full((len(spectrograms),), spectrograms.shape[1], device=spectrograms.device)
    return torch.einsum("r,rbk->bk", system.branch_shares, system(spectrograms, counts))


def _gradients(system: System, spectrograms: Tensor, target: int) -> FloatArray:
    inputs = spectrograms.detach().requires_grad_()
    logits = logit_of_answer(system, inputs)
    (gradients,) = torch.autograd.grad(logits[:, target].sum(), inputs)
    return gradients.cpu().numpy()


def window_evidence(
    system: System, spectrogram: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Reads off the capsules which windows spoke for which emotion.

    Each window's terms :math:`c_{wk} \hat u_{k|w}` of :math:`s_k`, Eq. (5), times the integrated
    gradient of the emotion's log probability with respect to :math:`s_k`. Over the windows they
    add up to what the log probability is more than with empty capsules, the couplings held.

    Args:
        system: In evaluation mode.
        spectrogram: Normalised, shape ``(frame, bin)``.

    Returns:
        Start and end of each window in seconds, ``(window, 2)``; couplings and evidence,
        ``(window, emotion)``. No windows without sequential capsules.
    """
    branches = [branch for branch in system.branches if isinstance(branch, CapsuleBranch)]
    if not branches:
        emotion_count = logit_of_answer(system, torch.from_numpy(spectrogram)[None]).shape[1]
        nothing = np.zeros((0, emotion_count), np.float32)
        return np.zeros((0, 2), np.float32), nothing, nothing
    branch = branches[0]
    couplings, terms = _terms(system, branch, spectrogram)
    sums = terms.sum(0)  # s_k, Eq. (5)
    shares = (torch.arange(INTEGRATION_STEPS, device=sums.device) + 0.5) / INTEGRATION_STEPS
    on_the_way = (shares[:, None, None] * sums).requires_grad_()
    log_probabilities = branch.head(output_vectors(squash(on_the_way))).log_softmax(-1)
    evidence = []
    for emotion in range(len(sums)):
        wanted = log_probabilities[:, emotion].sum()
        (gradients,) = torch.autograd.grad(wanted, on_the_way, retain_graph=True)
        evidence.append(torch.einsum("wkd,kd->w", terms, gradients.mean(0)))
    step_s = system.cnn.frames_per_step / FRAMES_PER_S
    starts = np.arange(len(terms)) * branch.settings.shift_steps * step_s
    ends = np.minimum(
        starts + branch.settings.window_steps * step_s, len(spectrogram) / FRAMES_PER_S
    )
    bounds = np.stack((starts, ends), 1).astype(np.float32)
    return bounds, couplings.cpu().numpy(), torch.stack(evidence, 1).cpu().numpy()


@torch.no_grad()
def _terms(system: System, branch: CapsuleBranch, spectrogram: FloatArray) -> tuple[Tensor, Tensor]:
    """Couplings ``(window, emotion)`` and couplings times votes, ``(window, emotion, dim)``."""
    device = system.branch_shares.device
    trace: Trace = {}
    batch = torch.from_numpy(spectrogram)[None].to(device)
    system(batch, torch.tensor([len(spectrogram)], device=device), trace)
    mask = trace["window_mask"][0]
    outputs, couplings = trace["window_outputs"][0][mask], trace["utterance_couplings"][0][mask]
    votes = torch.einsum("kdf,wf->wkd", branch.utterance_weight, outputs) + branch.utterance_bias
    return couplings, couplings.unsqueeze(-1) * votes
