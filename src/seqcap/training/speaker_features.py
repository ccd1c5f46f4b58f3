"""What a speaker's recordings have in common in the features of a frozen encoder."""

from collections.abc import Sequence

import numpy as np
import torch

from seqcap.audio.normalisation import Normalisation
from seqcap.models.speech_encoder import LAYERS, WIDTH, SpeechEncoder
from seqcap.training.batches import Utterance, WholeUtterances, by_length, collate

_BATCH_SIZE = 16


@torch.inference_mode()
def subtract_speaker_features(
    utterances: Sequence[Utterance], normalisation: Normalisation
) -> list[Utterance]:
    """Tells each utterance the mean features of its speaker, which it is to lose.

    Args:
        utterances: All of a part; labels are not used.
        normalisation: Of the training part. Without `speaker_feature_norm`, nothing changes.

    Returns:
        The utterances with `feature_mean`, zeros where the speaker has no name.
    """
    if not normalisation.settings.speaker_feature_norm:
        return list(utterances)
    encoder = SpeechEncoder().eval()
    whole = WholeUtterances(utterances, normalisation)
    speakers = [utterance.speaker for utterance in utterances]
    sums = {speaker: np.zeros(LAYERS * WIDTH) for speaker in speakers}
    frames = dict.fromkeys(speakers, 0)
    for indices in by_length(utterances, _BATCH_SIZE):
        batch = collate([whole[index] for index in indices])
        means = encoder.mean_features(batch.spectrograms, batch.frame_counts).double().numpy()
        for index, mean, count in zip(indices, means, batch.frame_counts.tolist(), strict=True):
            sums[speakers[index]] += mean * count
            frames[speakers[index]] += count
    lost = {
        speaker: normalisation.features_to_subtract(sums[speaker] * bool(speaker), frames[speaker])
        for speaker in sums
    }
    return [each._replace(feature_mean=lost[each.speaker]) for each in utterances]
