"""What `torch.load` raises of a file that is damaged, or of another kind. Nothing here imports archspec."""

from __future__ import annotations

import pickle
import struct
import zipfile

DAMAGE = (pickle.UnpicklingError, struct.error, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
          AssertionError, OverflowError, NotImplementedError, zipfile.BadZipFile)  # fmt: skip


def reason(error: BaseException) -> str:
    """What is wrong with the file, in a line; without PyTorch's advice on how to run what is in it."""
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip()
    return next(iter(text.splitlines()), type(error).__name__)[:200]
