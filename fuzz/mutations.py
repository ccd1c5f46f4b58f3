"""Ways in which a file goes wrong, drawn from a seed: the same number gives the same file."""

import random

_ODD_BYTES = (0x00, 0xFF, 0x7F, 0x80, 0x01, 0x40)
_ODD_NUMBERS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 0x10000, 0x7FFF)
_HEADER_BYTES = 128


def mutate(content: bytes, seed: int) -> bytes:
    """Damages a file in one to three ways.

    Args:
        content: A valid file.
        seed: Which damage.

    Returns:
        The damaged file.
    """
    random_numbers = random.Random(seed)
    damaged = bytearray(content)
    for _ in range(random_numbers.choice((1, 1, 2, 3))):
        random_numbers.choice(_WAYS)(damaged, random_numbers)
    return bytes(damaged)


def _place(damaged: bytearray, draw: random.Random) -> int:
    """A position, one time in three within the header."""
    end = min(_HEADER_BYTES, len(damaged)) if draw.random() < 1 / 3 else len(damaged)
    return draw.randrange(max(1, end))


def _flip_bits(damaged: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 4, 32))):
        at = _place(damaged, draw)
        if at < len(damaged):
            damaged[at] ^= 1 << draw.randrange(8)


def _overwrite(damaged: bytearray, draw: random.Random) -> None:
    at, count = _place(damaged, draw), draw.choice((1, 2, 16, 300))
    filler = draw.choice((bytes([draw.choice(_ODD_BYTES)]) * count, draw.randbytes(count)))
    damaged[at : at + count] = filler


def _number(damaged: bytearray, draw: random.Random) -> None:
    at = _place(damaged, draw) & ~1
    order = draw.choice(("little", "big"))
    damaged[at : at + 4] = draw.choice(_ODD_NUMBERS).to_bytes(4, order)  # type: ignore[arg-type]


def _cut_off(damaged: bytearray, draw: random.Random) -> None:
    del damaged[draw.randrange(len(damaged) + 1) :]


def _cut_out(damaged: bytearray, draw: random.Random) -> None:
    at = _place(damaged, draw)
    del damaged[at : at + draw.choice((1, 3, 100, 2000))]


def _insert(damaged: bytearray, draw: random.Random) -> None:
    at = _place(damaged, draw)
    damaged[at:at] = draw.choice((draw.randbytes(draw.choice((1, 50, 3000))), bytes(700)))


def _repeat(damaged: bytearray, draw: random.Random) -> None:
    at = _place(damaged, draw)
    damaged[at:at] = damaged[at : at + draw.choice((4, 64, 4000))]


_WAYS = (_flip_bits, _flip_bits, _overwrite, _number, _cut_off, _cut_out, _insert, _repeat)
