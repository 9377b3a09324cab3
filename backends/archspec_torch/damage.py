"""What `torch.load` raises of a file that is damaged, or of another kind. Nothing here imports archspec."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

DAMAGE = (pickle.UnpicklingError, struct.error, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
          AssertionError, OverflowError, NotImplementedError, zipfile.BadZipFile)  # fmt: skip


def check_stored(file: Path) -> None:
    """Raise BadZipFile where a file of `torch.save` has a record that is compressed, which it never is, and may inflate."""
    size = file.stat().st_size
    with zipfile.ZipFile(file) as archive:
        for record in archive.infolist():
            if record.compress_type != zipfile.ZIP_STORED or record.file_size > size:
                raise zipfile.BadZipFile(f"its record {record.filename[-80:]} is compressed")


def reason(error: BaseException) -> str:
    """What is wrong with the file, in a line; without PyTorch's advice on how to run what is in it."""
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip()
    return next(iter(text.splitlines()), type(error).__name__)[:200]
