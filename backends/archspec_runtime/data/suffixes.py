"""Names of images, and of what is none: files that are hidden, or that operating systems leave behind."""

from __future__ import annotations

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
