"""Images that are read and decoded when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from archspec_runtime.console import warn
from archspec_runtime.data.sources import GoneError, Names, Source, read_patiently
from archspec_runtime.data.splits import Ints, Labels, Listing
from archspec_runtime.errors import DataError
from archspec_runtime.images.decoding import Photo

T = TypeVar("T")

IN_A_ROW = 100  # corrupt images after which there is more wrong than a few images


@dataclass(frozen=True, slots=True)
class EncodedSplit:
    """Encoded images of a source with labels (N,), of many sizes, in the net's number of channels.

    `chosen` (N,) are their indices in the source.
    """

    source: Source
    labels: Labels
    chosen: Ints
    channels: int

    @staticmethod
    def of(source: Source, labels: Labels, channels: int) -> EncodedSplit:
        """All images of a source."""
        return EncodedSplit(source, labels, np.arange(len(labels), dtype=np.int64), channels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> None:
        """Images of many sizes, cropped when read."""
        return None

    def subset(self, indices: Ints) -> EncodedSplit:
        """The images at these indices."""
        return EncodedSplit(self.source, self.labels[indices], self.chosen[indices], self.channels)

    @property
    def names(self) -> Names:
        """What each image is called below the folder or in the file that it is read from."""
        names = self.source.names
        whole = len(names) == len(self.chosen) and bool((np.diff(self.chosen) == 1).all())
        return names if whole else names.subset(self.chosen)

    def relabelled(self, labels: Labels) -> EncodedSplit:
        """The same images with other labels."""
        return EncodedSplit(self.source, labels, self.chosen, self.channels)

    def listing(self, classes: int) -> Listing:
        """The names and labels of all images."""
        return Listing.of(self.labels, classes, self.names)

    def name(self, index: int) -> str:
        """What a message calls an image."""
        return self.source.name(int(self.chosen[index]))

    def photo(self, index: int) -> Photo:
        """One image, whose header has been read. Raises DataError."""
        return self.opened(index, read_patiently(self.source, int(self.chosen[index])))

    def opened(self, index: int, raw: bytes) -> Photo:
        """One image, of which the bytes have been read. Raises DataError."""
        return Photo.open(raw, self.name(index), self.channels)

    def image(self, index: int) -> Image.Image:
        """One image, upright, in the net's number of channels. Raises DataError."""
        return self.photo(index).image()

    def readable(
        self, index: int, use: Callable[[Photo], T], skip: bool, say: Callable[[str], None]
    ) -> tuple[int, T]:
        """What `use` makes of an image, and whose it is.

        With `skip`, the next image of the split takes the place of one that is corrupt, whose message is said. Raises
        DataError, without `skip` for the first that cannot be read; always for a file that is not there.
        """
        for failed in range(len(self)):
            used = (index + failed) % len(self)
            try:
                return used, use(self.photo(used))
            except DataError as error:
                if not skip or isinstance(error, GoneError):
                    raise
                if failed + 1 >= min(IN_A_ROW, len(self)):
                    message = f"{failed + 1} images in a row cannot be read; the last: {error.message}"
                    raise DataError(
                        message, "this is no matter of single files: see `archspec data verify`"
                    ) from None
                say(error.message)
        raise AssertionError("an image was used, or an error raised")


class Skipped:
    """The corrupt images that a run has passed over, each said once."""

    def __init__(self) -> None:
        self.messages: set[str] = set()

    def append(self, message: str) -> None:
        """One more, or one that is known."""
        if message not in self.messages:
            self.messages.add(message)
            count = len(self.messages)
            warn(f"{message}; skipped, the next image takes its place ({count} so far)")
