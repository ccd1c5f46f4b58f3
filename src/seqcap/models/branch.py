"""The interface of every branch behind the convolutions."""

from torch import Tensor, nn

Trace = dict[str, Tensor]
"""What a forward pass saw on its way, for explanations: give an empty one to `System.forward`.

| name | shape | of |
|---|---|---|
| ``window_couplings`` | ``(batch, window, lower, upper)`` | SeqCap, RecCap; not in chunks |
| ``window_outputs`` | ``(batch, window, 72)`` | SeqCap, RecCap |
| ``window_mask`` | ``(batch, window)``, True where a window counts | SeqCap, RecCap |
| ``utterance_couplings`` | ``(batch, window, emotion)``, or of all lower capsules | capsules |
| ``utterance_capsules`` | ``(batch, emotion, dim)`` | capsules |
| ``attention`` | ``(batch, stack)``, sums to one | ``CNN_GRU_Att`` |
"""


class Branch(nn.Module):
    """Turns maps into logits: first chunk by chunk, then over the whole recording.

    ``encode`` takes chunks of the map in order of time. ``decide`` takes the features of all
    chunks. So a recording of any length needs the memory of one chunk.

    Attributes:
        shift_steps: Chunks start at multiples of it.
        overlap_steps: Steps of the next chunk that a chunk includes.
    """

    shift_steps: int = 1
    overlap_steps: int = 0

    def encode(
        self,
        maps: Tensor,
        step_counts: Tensor,
        previous: Tensor | None = None,
        trace: Trace | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Turns a map, or the next chunk of one, into features.

        Args:
            maps: Shape ``(batch, channel, step, bin)``, zero behind each end.
            step_counts: Steps that count in each, at least 1, shape ``(batch,)``.
            previous: The second value returned for the chunk before; None for the first.
            trace: Takes couplings and capsules, if given.

        Returns:
            Features ``(batch, unit, feature)``, whose units follow those of the chunk before, and
            what the next chunk needs of this one.
        """
        raise NotImplementedError

    def decide(self, features: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns the features of whole recordings into logits.

        Args:
            features: What ``encode`` gave, shape ``(batch, unit, feature)``.
            step_counts: Steps that count in each recording, shape ``(batch,)``.
            trace: Takes couplings and capsules, if given.

        Returns:
            Logits, shape ``(batch, emotion)``.
        """
        raise NotImplementedError

    def forward(self, maps: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns maps ``(batch, channel, step, bin)`` into logits ``(batch, emotion)``.

        Args:
            maps: Shape ``(batch, channel, step, bin)``.
            step_counts: Steps that count in each, shape ``(batch,)``.
            trace: Takes couplings and capsules, if given.
        """
        features, _ = self.encode(maps, step_counts, None, trace)
        return self.decide(features, step_counts, trace)
