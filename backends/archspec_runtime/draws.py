"""Random choices that depend on (seed, stream, epoch, position) alone.

NumPy's counter-based Philox generator is keyed with the seed and the stream, and its counter set from the epoch, so
that no choice depends on how many were made before it: not on the batch size, the workers, the devices or a resume.
A choice for a position is the position's entry of a vector drawn for the whole epoch, or is read at the position's place
of the generator's sequence.
"""

from __future__ import annotations

import hashlib
import zlib

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
WORDS = 4  # numbers that one count of the generator gives


class _Key(ISeedSequence):
    """A key of Philox's in the place of a seed's words: with a key alone, NumPy first asks the system for entropy."""

    def __init__(self, seed: int, stream: str) -> None:
        self.words = np.array([seed, zlib.crc32(stream.encode())], np.uint64)

    def generate_state(self, n_words: int, dtype: object = np.uint64) -> NDArray[np.uint64]:
        """The key."""
        return self.words


def _generator(seed: int, stream: str, counter: list[int]) -> np.random.Generator:
    # any ISeedSequence will do; NumPy's annotations know of its own alone
    return np.random.Generator(np.random.Philox(_Key(seed, stream), counter=counter))  # type: ignore[arg-type]


def generator(seed: int, stream: str, epoch: int = 0) -> np.random.Generator:
    """A generator for one stream of choices in one epoch."""
    return _generator(seed, stream, [0, 0, 0, epoch])


def uniforms(seed: int, stream: str, epoch: int, positions: range, width: int) -> Floats:
    """Numbers in [0, 1), (len(positions), width), for consecutive positions of an epoch: the same whichever are asked for."""
    blocks = -(-width // WORDS)  # of the generator's counter, for each position
    source = _generator(seed, stream, [positions.start * blocks, 0, 0, epoch])
    drawn: Floats = source.random((len(positions), blocks * WORDS))
    return drawn[:, :width]


def short_seed(seed: int, *more: int) -> int:
    """A seed of 32 bits for generators that take no more: PyTorch's on CPUs, JAX's keys without 64-bit types.

    A seed of 32 bits is itself; of a longer one, and of several numbers, it is a hash, so that every bit counts.
    """
    if not more and seed < 2**32:
        return seed
    words = b"".join(number.to_bytes(8, "little") for number in (seed, *more))
    return int.from_bytes(hashlib.blake2b(words, digest_size=4).digest(), "little")


def repeated(order: Ints, positions: range, repeats: int) -> Ints:
    """The samples of a batch in which each comes `repeats` times: first all once, then all again, so that equal ones are apart.

    The epoch's sequence is `order` with each sample repeated; a batch is a stretch of it.
    """
    places = np.arange(positions.start, positions.stop)
    apart = np.argsort(places % repeats, kind="stable")
    chosen: Ints = order[places[apart] // repeats]
    return chosen


def epoch_order(seed: int, epoch: int, count: int) -> Ints:
    """The order (count,) in which an epoch visits its samples."""
    return generator(seed, "order", epoch).permutation(count)


def holdout_split(seed: int, count: int, holdout: int) -> tuple[Ints, Ints]:
    """Indices for training and for validation, each in ascending order."""
    chosen = generator(seed, "holdout").permutation(count)
    return np.sort(chosen[holdout:]), np.sort(chosen[:holdout])
