"""What a file is that holds no weights, by its first bytes: a page instead of a download, a pointer, another format."""

from __future__ import annotations

import errno
import struct
import zipfile
from pathlib import Path

AGAIN = "download it again, and look at it before you use it"
FIRST: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file itself",
        "run `git lfs pull` where it was cloned",
    ),
    (
        b"version https://hawser",
        "a pointer of Git LFS, not the file itself",
        "run `git lfs pull` where it was cloned",
    ),
    (b"<!doctype html", "a web page (HTML)", f"{AGAIN}: the server sent a page, such as one to log in or confirm"),
    (b"<html", "a web page (HTML)", f"{AGAIN}: the server sent a page, such as one to log in or confirm"),
    (b"<?xml", "an XML document", f"{AGAIN}: servers send their errors so"),
    (b"{", "a JSON document", f"{AGAIN}: servers send their errors so; an index of shards names the files to give"),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, such as Keras writes",
        "save the tensors as safetensors, by the spec's names",
    ),
    (b"\x93NUMPY", "a single NumPy array", "save the tensors as safetensors, by the spec's names"),
    (b"GGUF", "a GGUF file", "give the weights that it was made from"),
    (b"\x1f\x8b", "compressed by gzip", "unpack it: gunzip FILE, or tar xf FILE"),
    (b"BZh", "compressed by bzip2", "unpack it: bunzip2 FILE, or tar xf FILE"),
    (b"\xfd7zXZ\x00", "compressed by xz", "unpack it: unxz FILE, or tar xf FILE"),
    (b"(\xb5/\xfd", "compressed by zstd", "unpack it: unzstd FILE"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"%PDF", "a PDF document", AGAIN),
    (b"\x89PNG", "a PNG image", "give a file of weights"),
    (b"\xff\xd8\xff", "a JPEG image", "give a file of weights"),
    (b"\x7fELF", "a program or a library", "give a file of weights"),
    (b"archspec:", "a spec", "give it to --spec; weights are another file"),
)
ARCHIVES: tuple[tuple[str, str, str], ...] = (
    ("model.weights.h5", "a Keras model", "save the tensors as safetensors, by the spec's names"),
    ("exported_program", "an exported program (torch.export, .pt2)", "save its `state_dict` with `torch.save`"),
    ("archive_format", "an exported program (torch.export, .pt2)", "save its `state_dict` with `torch.save`"),
    (".npy", "an archive of NumPy arrays (.npz)", "save them as safetensors, by the spec's names"),
)
"""Archives (zip) by a name that is in them."""


DAMAGE = (
    zipfile.BadZipFile,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
    OverflowError,
    struct.error,
)
"""What reading the directory of a damaged archive raises."""


def kind_of(path: Path) -> tuple[str, str] | None:
    """What a file is and what to do about it; None where its first bytes do not tell. Raises OSError."""
    with open(path, "rb") as file:
        head = file.read(512)
        file.seek(257)
        tar = file.read(5) == b"ustar"
    if not head:
        return "empty", AGAIN
    begin = head.lstrip().lower()
    for first, what, help_ in FIRST:
        if head.startswith(first) or (first.isascii() and begin.startswith(first.lower())):
            return what, help_
    if tar:
        return "a tar archive", "unpack it: tar xf FILE"
    if head.startswith(b"PK"):
        return _archive(path)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return (
            "a Python pickle that `torch.save` did not write",
            "load it where you trust it, and save tensors as safetensors",
        )
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "a text", AGAIN
    return None


def _archive(path: Path) -> tuple[str, str]:
    if not zipfile.is_zipfile(path):
        return "an archive (zip) that was cut off: its end is missing", AGAIN
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except DAMAGE:
        return "a damaged archive (zip)", AGAIN
    except OSError as error:
        if error.errno != errno.EINVAL:  # of a place before the file's beginning
            raise
        return "a damaged archive (zip)", AGAIN
    for word, what, help_ in ARCHIVES:
        if any(word in name for name in names):
            return what, help_
    return "an archive (zip) without weights of PyTorch", "unpack it, and give the file of weights in it"
