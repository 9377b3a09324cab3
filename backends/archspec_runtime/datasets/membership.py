"""Membership: what of a data set is an image or a class, for folders, tars and Parquet alike; all else is left out, and counted.

An image is a regular file, or a link to one, whose name ends in one of `SUFFIXES` in any case; in a folder it lies directly in
the folder of its class. A class is a folder. Names that begin with a dot are neither, and no more are the files and folders
that operating systems leave behind (`SYSTEM`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    }
)
SYSTEM = frozenset(
    {"@eadir", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "#recycle", "@recycle",
     "system volume information", "lost+found"}
)  # fmt: skip
"""What Synology, macOS, Windows and ext4 write beside the files of users, in lower case."""

HIDDEN = "its name begins with a dot"
OF_A_SYSTEM = "the operating system's own"
OTHER_SUFFIX = "its suffix is not that of an image"
NESTED = "below the folder of a class, in another folder: images lie directly in it"
STRAY = "it lies beside the folders of classes, not in one"
UNKNOWN_CLASS = "its class is not in train/"
OTHER_MEMBER = "another member of the sample is its image"
NO_IMAGE = "its sample has no image"
LINK = "it is a link, a device or a sparse file in a tar"
UNREAD_SPLIT = "a split that is not read"
SPECIAL = "it is no regular file"


def is_image(name: str) -> bool:
    """Whether a file of this name is an image."""
    return not passed_over(name) and suffix(name) in SUFFIXES


def passed_over(name: str) -> str | None:
    """Why nobody means a file or folder of this name as part of a data set; None for all others."""
    if name.startswith("."):
        return HIDDEN
    return OF_A_SYSTEM if name.lower() in SYSTEM or name == "Icon\r" else None


def suffix(name: str) -> str:
    """What a name ends in, with its dot, in lower case."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


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

    def summary(self) -> str:
        """What was left out that may be meant as part of the data set, by reason; empty where there is nothing."""
        told = [one for one in self.omissions if one.why not in (HIDDEN, OF_A_SYSTEM, UNKNOWN_CLASS)]
        counts = Counter(one.why for one in told)
        first = {one.why: one for one in reversed(told)}
        images = Counter[str]()
        for one in told:
            images[one.why] += one.images
        parts = []
        for why, count in counts.items():
            holds = f", with {images[why]:,} images" if images[why] else ""
            parts.append(f"{count:,}{holds}, such as {first[why].where} ({why})")
        return "; ".join(parts)
