"""What a model's own code may change for the whole process, set back behind it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def surroundings_kept() -> Iterator[None]:
    """Set back the working folder, and PyTorch's default type, default device and recording of gradients.

    Else a spec would be written into another folder, and models be compared in another precision, for what a file of a
    model's code does when it is imported.
    """
    import torch

    folder, dtype, gradients = os.getcwd(), torch.get_default_dtype(), torch.is_grad_enabled()
    device = torch.get_default_device()
    try:
        yield
    finally:
        os.chdir(folder)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
