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
from numpy.typing import NDArray
from torch import Tensor

from seqcap.audio.normalisation import Normalisation, block_powers
from seqcap.audio.source import Source
from seqcap.audio.spectrogram import FRAMES_PER_S, FloatArray, log_spectrogram
from seqcap.corpora.emotions import canonical_emotion
from seqcap.errors import AudioError, SettingsError
from seqcap.models.branch import Trace
from seqcap.models.capsules import CapsuleBranch, output_vectors
from seqcap.models.routing import squash
from seqcap.models.system import System
from seqcap.recognition.answers import Answer
from seqcap.recognition.recordings import LONGEST_HELD_S, read_recording
from seqcap.recognition.torch_engine import adapt_system, with_network

if TYPE_CHECKING:
    from seqcap.recognition.recognizer import Recognizer

INTEGRATION_STEPS = 32
_STEPS_AT_ONCE = 8
_HEAD_STEPS = 256  # the dense layers alone cost next to nothing


@dataclass(frozen=True)
class Explanation:
    """Why an answer came out.

    Attributes:
        answer: The answer.
        emotion: Whose logit `gradient` and `integrated` explain.
        waveform: The recording, 16 kHz mono, shape ``(samples,)``.
        spectrogram: As the system sees it, normalised, shape ``(frame, bin)``.
        times_s: Where each frame begins in the source, seconds, ``(frame,)``; what is trimmed or
            not speech has no frames.
        gradient: How much the logit rises with each point, ``(frame, bin)``.
        integrated: What each point adds to the logit over the mean spectrum, ``(frame, bin)``;
            their sum is the whole difference.
        window_frames: First frame of each window and the frame behind its last, ``(window, 2)``.
        couplings: Of each window with each emotion's capsule, ``(window, emotion)``; without
            windows for systems without sequential capsules.
        evidence: What each window adds to each emotion's logit over the mean of all emotions'
            logits, in the branch of capsules alone, ``(window, emotion)``.
    """

    answer: Answer
    emotion: str
    waveform: FloatArray
    spectrogram: FloatArray
    times_s: FloatArray
    gradient: FloatArray
    integrated: FloatArray
    window_frames: NDArray[np.int64]
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
        recognizer: Answers. For gradients its network is loaded into torch.
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
        wanted = canonical_emotion(wanted) or wanted
    if wanted not in emotions:
        raise SettingsError(
            f"emotion '{wanted}' is unknown to this model; one of {', '.join(emotions)} is expected"
        )
    recording = read_recording(source, start_s=start_s, end_s=end_s, name=name, warn=False)
    if recording.waveform is None:
        raise AudioError(
            f"{recording.name}: {recording.end_s - recording.start_s:.0f} s; at most "
            f"{LONGEST_HELD_S:g} s can be explained, name a part of it"
        )
    times_s, spectrogram = _kept_frames(recognizer.checkpoint.normalisation, recording.waveform)
    if not len(spectrogram):
        raise AudioError(f"{recording.name}: no speech in it; there is no answer to explain")
    system, target = with_network(recognizer.checkpoint).system, emotions.index(wanted)
    if recognizer.engine.feature_mean is not None:
        system = adapt_system(system, recognizer.engine.feature_mean)
    frames, couplings, evidence = window_evidence(system, spectrogram)
    return Explanation(
        answer=answer,
        emotion=wanted,
        waveform=recording.waveform,
        spectrogram=spectrogram,
        times_s=(start_s + times_s).astype(np.float32),
        gradient=gradient_of_logit(system, spectrogram, target),
        integrated=integrated_gradient(system, spectrogram, target),
        window_frames=frames,
        couplings=couplings,
        evidence=evidence,
    )


def _kept_frames(
    normalisation: Normalisation, waveform: FloatArray
) -> tuple[NDArray[np.float64], FloatArray]:
    """Begin of each frame that the system sees, s, and the frames, normalised."""
    (speech,) = normalisation.find_speech([waveform])
    filtered = next(normalisation.filtered([waveform]))
    gain, kept = normalisation.measure(block_powers(filtered), speech)
    frames = log_spectrogram(filtered * gain)[kept]
    return np.flatnonzero(kept) / FRAMES_PER_S, normalisation(frames) if len(frames) else frames


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
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    r"""Reads off the capsules which windows spoke for which emotion.

    Each window's terms :math:`c_{wk} \hat u_{k|w}` of :math:`s_k`, Eq. (5), times the integrated
    gradient of the emotion's logit, less the mean of all logits, with respect to :math:`s_k`. Over
    the windows they add up to what it is more than with empty capsules, the couplings held.

    Args:
        system: In evaluation mode.
        spectrogram: Normalised, shape ``(frame, bin)``.

    Returns:
        First frame of each window and the frame behind its last, ``(window, 2)``; couplings and
        evidence, ``(window, emotion)``. No windows without sequential capsules.
    """
    branches = [branch for branch in system.branches if isinstance(branch, CapsuleBranch)]
    if not branches:
        emotion_count = logit_of_answer(system, torch.from_numpy(spectrogram)[None]).shape[1]
        nothing = np.zeros((0, emotion_count), np.float32)
        return np.zeros((0, 2), np.int64), nothing, nothing
    branch = branches[0]
    couplings, terms = _terms(system, branch, spectrogram)
    sums = terms.sum(0)  # s_k, Eq. (5)
    shares = (torch.arange(_HEAD_STEPS, device=sums.device) + 0.5) / _HEAD_STEPS
    on_the_way = (shares[:, None, None] * sums).requires_grad_()
    logits = branch.head(output_vectors(squash(on_the_way)))
    centred = logits - logits.mean(-1, keepdim=True)
    evidence = []
    for emotion in range(len(sums)):
        wanted = centred[:, emotion].sum()
        (gradients,) = torch.autograd.grad(wanted, on_the_way, retain_graph=True)
        evidence.append(torch.einsum("wkd,kd->w", terms, gradients.mean(0)))
    settings, per_step = branch.settings, system.cnn.frames_per_step
    starts = np.arange(len(terms)) * settings.shift_steps * per_step
    ends = np.minimum(starts + settings.window_steps * per_step, len(spectrogram))
    found = torch.stack(evidence, 1).detach().cpu().numpy()
    return np.stack((starts, ends), 1), couplings.cpu().numpy(), found


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
