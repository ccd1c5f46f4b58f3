"""A whole system: convolutions, branches, and their answer, for recordings of any length."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from seqcap.models.branch import Branch, Trace
from seqcap.models.cnn import ConvolutionStack, Stage

BINS = 512  # 0 to 5.11 kHz on a grid of 10 Hz, Sec. VI-A
CHUNK_FRAMES = 1000  # about 10 s: long against what chunks share, small in memory


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
        branches: Iterable[Callable[[int, int], Branch]],
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
            trace: Takes couplings, capsules and attention on the way, if given; see `Trace`.

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

    def forward_in_chunks(self, chunks: Iterable[Tensor], trace: Trace | None = None) -> Tensor:
        """Gives each branch's logits for one recording that comes in chunks.

        The answer is that of ``forward`` on all of it, up to rounding; the memory is that of about
        ten seconds, plus what branches keep of each unit (72 values per window of a capsule
        branch, 2,048 per 0.32 s of a GRU branch).

        Args:
            chunks: Normalised log magnitudes, each of shape ``(frame, bin)``, of any lengths,
                one after the other; at least one frame in all.
            trace: As in `forward`; couplings of single windows are not kept.

        Returns:
            Logits, shape ``(branch, 1, emotion)``.

        Raises:
            ValueError: No frames came.
        """
        branches = [branch for branch in self.branches if isinstance(branch, Branch)]
        reading = _Reading(self.cnn, branches)
        for chunk in chunks:
            reading.take(chunk)
        features, step_counts = reading.finish()
        return torch.stack(
            [
                branch.decide(torch.cat(units, 1), step_counts, trace)
                for branch, units in zip(branches, features, strict=True)
            ]
        )


class _Reading:
    """A recording on its way through the convolutions and the branches' first half."""

    def __init__(self, cnn: ConvolutionStack, branches: list[Branch]) -> None:
        self.cnn = cnn
        self.branches = branches
        together = math.lcm(*(branch.shift_steps for branch in branches))
        steps = CHUNK_FRAMES // cnn.frames_per_step
        self.chunk_steps = max(1, steps // together) * together
        self.overlap = max(branch.overlap_steps for branch in branches)
        self.frames: list[Tensor] = []  # from step `first` on
        self.frame_count = 0
        self.first = 0  # the step where what is kept starts
        self.done = 0  # the step up to which everything is encoded
        self.features: list[list[Tensor]] = [[] for _ in branches]
        self.previous: list[Tensor | None] = [None] * len(branches)

    def take(self, frames: Tensor) -> None:
        self.frames.append(frames)
        self.frame_count += len(frames)
        # A chunk is not the last one only if there are steps beyond all that it looks at.
        seen = self.chunk_steps + self.overlap + self.cnn.context_steps
        while self.frame_count > (self.done - self.first + seen) * self.cnn.frames_per_step:
            kept = torch.cat(self.frames)
            self._encode(kept[: (self.done - self.first + seen) * self.cnn.frames_per_step], False)
            self.done += self.chunk_steps
            first = max(0, self.done - self.cnn.context_steps)
            kept = kept[(first - self.first) * self.cnn.frames_per_step :].clone()
            self.first, self.frames, self.frame_count = first, [kept], len(kept)

    def finish(self) -> tuple[list[list[Tensor]], Tensor]:
        if self.frame_count == 0:
            raise ValueError("0 frames came; at least 1 is needed")
        step_count = self._encode(torch.cat(self.frames), True)
        return self.features, torch.tensor([step_count], device=self.frames[0].device)

    def _encode(self, frames: Tensor, last: bool) -> int:
        maps, _ = self.cnn(frames.unsqueeze(0), torch.tensor([len(frames)], device=frames.device))
        maps = maps[:, :, self.done - self.first :]
        for index, branch in enumerate(self.branches):
            steps = maps.shape[2] if last else self.chunk_steps + branch.overlap_steps
            units, self.previous[index] = branch.encode(
                maps[:, :, :steps],
                torch.tensor([steps], device=frames.device),
                self.previous[index],
            )
            self.features[index].append(units)
        return self.done + maps.shape[2]
