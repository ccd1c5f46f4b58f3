"""What every branch behind the convolutions is called by."""

from torch import Tensor, nn

Trace = dict[str, Tensor]
"""Capsules, couplings and attention of a forward pass, by name."""


class Branch(nn.Module):
    """Turns maps into logits: first part by part of the recording, then over all of it.

    ``encode`` goes through the map in order of time and may be given it in pieces that start at
    multiples of ``shift_steps`` and reach ``overlap_steps`` into the next; ``decide`` takes what
    came out of all of them. So a recording of any length needs the memory of one piece.
    """

    shift_steps: int = 1
    overlap_steps: int = 0

    def encode(
        self,
        maps: Tensor,
        step_counts: Tensor,
        carry: Tensor | None = None,
        trace: Trace | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Turns a map, or the next piece of one, into features.

        Args:
            maps: Shape ``(batch, channel, step, bin)``, zero behind each end.
            step_counts: Steps that count in each, at least 1, shape ``(batch,)``.
            carry: What the piece before handed on; None for the first.
            trace: Takes what was seen on the way, if given.

        Returns:
            Features ``(batch, unit, feature)``, whose units follow those of the piece before, and
            what the next piece needs of this one.
        """
        raise NotImplementedError

    def decide(self, features: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns the features of whole recordings into logits.

        Args:
            features: What ``encode`` gave, shape ``(batch, unit, feature)``.
            step_counts: Steps that count in each recording, shape ``(batch,)``.
            trace: Takes what was seen on the way, if given.

        Returns:
            Logits, shape ``(batch, emotion)``.
        """
        raise NotImplementedError

    def forward(self, maps: Tensor, step_counts: Tensor, trace: Trace | None = None) -> Tensor:
        """Turns maps ``(batch, channel, step, bin)`` into logits ``(batch, emotion)``."""
        features, _ = self.encode(maps, step_counts, None, trace)
        return self.decide(features, step_counts, trace)
