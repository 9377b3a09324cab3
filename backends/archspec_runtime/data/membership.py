"""Membership: what of a data set is an image or a class, for folders, tars and Parquet alike; all else is left out, and counted.

An image is a regular file, or a link to one, whose name ends in one of `SUFFIXES` in any case; in a folder it lies directly in
the folder of its class. A class is a folder. Names that begin with a dot are neither, and no more are the files and folders
that operating systems leave behind (`SYSTEM`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from archspec_runtime.console import printable
from archspec_runtime.data.suffixes import HIDDEN, OF_A_SYSTEM

OTHER_SUFFIX = "its suffix is not that of an image"
NESTED = "below the folder of a class, in another folder: images lie directly in it"
STRAY = "it lies beside the folders of classes, not in one"
UNKNOWN_CLASS = "its class is not in train/"
OTHER_MEMBER = "another member of the sample is its image"
NO_IMAGE = "its sample has no image"
LINK = "it is a link, a device or a sparse file in a tar"
UNREAD_SPLIT = "a split that is not read"
SPECIAL = "it is no regular file"

NOUNS = {
    OTHER_SUFFIX: ("file without the suffix of an image", "files without the suffix of an image"),
    NESTED: ("folder inside that of a class", "folders inside those of classes"),
    STRAY: ("file beside the folders of classes", "files beside the folders of classes"),
    OTHER_MEMBER: ("other member of a sample", "other members of samples"),
    NO_IMAGE: ("sample without an image", "samples without images"),
    LINK: ("link, device or sparse file", "links, devices or sparse files"),
    UNREAD_SPLIT: ("file of a split that is not read", "files of a split that is not read"),
}
REASONS = 3  # that a summary names
VERIFY = "`archspec data verify` names them all"


@dataclass(frozen=True, slots=True)
class Omission:
    """One file, folder or member that is left out: where, why, and whether somebody may have meant it as an image."""

    where: str
    why: str
    doubtful: bool
    images: int = 0  # that are in it


@dataclass(slots=True)
class LeftOut:
    """All that is left out of a data set."""

    omissions: list[Omission] = field(default_factory=list)

    def add(self, where: object, why: str, *, doubtful: bool = False, images: int = 0) -> None:
        """One more."""
        self.omissions.append(Omission(str(where), why, doubtful, images))

    def __len__(self) -> int:
        return len(self.omissions)

    def reasons(self) -> list[str]:
        """What was left out that may be meant as part of the data set: a line for each of the most frequent reasons."""
        told = self._told()
        first = {one.why: one for one in reversed(told)}
        inside = Counter[str]()
        for one in told:
            inside[one.why] += one.images
        counts = Counter(one.why for one in told).most_common()
        rows = [_row(why, count, inside[why], first[why].where) for why, count in counts[:REASONS]]
        more = sum(count for _, count in counts[REASONS:])
        return [*rows, f"{more:,} more, for other reasons"] if more else rows

    def summary(self, folder: object) -> str:
        """The same of a folder, below how much it is; its line breaks are those between lines. Empty where there is nothing."""
        told = len(self._told())
        return (
            "\n".join((f"of {printable(str(folder))}, {told:,} left out:", *self.reasons(), VERIFY)) if told else ""
        )

    def _told(self) -> list[Omission]:
        return [one for one in self.omissions if one.why not in (HIDDEN, OF_A_SYSTEM, UNKNOWN_CLASS)]


def in_it(images: int) -> str:
    """How many images are in what is left out; empty where there are none."""
    return f", with {images:,} image{'s' if images > 1 else ''} in it" if images else ""


def _row(why: str, count: int, images: int, where: str) -> str:
    one, many = NOUNS.get(why, (f"left out ({why})",) * 2)
    holds = in_it(images) if count == 1 else in_it(images).removesuffix("it") + "them" if images else ""
    return f"{count:,} {one if count == 1 else many}{holds}: {'' if count == 1 else 'such as '}{printable(where)}"
