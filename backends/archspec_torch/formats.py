"""PyTorch's files of weights, recognized without PyTorch."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.backends import Weights
from archspec.weights.file_kinds import DAMAGE
from archspec_torch.health import need_torch

if TYPE_CHECKING:
    from archspec.backends.stored import Array, Stored
    from archspec.ir.network import Network


LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9"
"""How files begin that PyTorch wrote before 1.6, pickles with a magic number in front."""


class StateDict:
    """A file of `torch.save`. Only tensors are read from it: code that it holds is never run."""

    title = "a PyTorch file"
    suffixes = (".pt", ".pth")
    writable = True

    def recognizes(self, path: Path) -> bool:
        """Whether a file is one of `torch.save`'s archives, or an old one of its pickles."""
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            if file.read(len(LEGACY)) == LEGACY:
                return True
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith("/data.pkl") for name in archive.namelist())
        except DAMAGE:  # or no archive
            return False
        except OSError as error:
            if error.errno != errno.EINVAL:  # of a place before the file's beginning
                raise
            return False

    def read(self, path: Path, key: str | None, net: Network) -> tuple[dict[str, Array | Stored], list[str]]:
        """All tensors of a state_dict, and where it was found; PyTorch is not needed. Raises WeightsError."""
        from archspec_torch.state_dicts import read_state_dict

        return read_state_dict(path, key)

    def write(self, path: Path, weights: Weights, net: Network) -> None:
        """A state_dict that `model.load_state_dict(torch.load(path))` takes."""
        need_torch()
        from archspec_torch.weights import write_state_dict

        write_state_dict(path, weights)
