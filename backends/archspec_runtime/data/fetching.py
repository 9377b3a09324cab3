"""Getting CIFAR from where it is published: checked, and unpacked without trusting the archive."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path
from typing import Literal

from archspec_runtime.data.cifar import LAYOUTS, SITE
from archspec_runtime.data.cifar_files import MD5
from archspec_runtime.data.packed import written_aside
from archspec_runtime.data.remote import fetch
from archspec_runtime.data.sources import checksum
from archspec_runtime.errors import DataError

Form = Literal["python", "binary"]
LARGEST = 256 << 20  # of an archive
UNPACKED = 512 << 20  # of all that is in it
MEMBERS = 64


def fetch_cifar(
    name: str, out: Path, form: Form = "binary", url: str | None = None, md5: str | None = None
) -> Path:
    """Fetch an archive of CIFAR into a folder and unpack it there; returns the folder of its files.

    What is there and whole is left as it is. `url` is another place to get it from; the checksum is the official one unless
    `md5` is given. Raises DataError or RunError; nothing half-made is left under a final name.
    """
    layout = LAYOUTS[name][form]
    target = out / layout.folder
    if target.is_dir():
        return target
    archive = out / layout.archive
    expected = md5 or MD5[layout.archive]
    if archive.exists() and checksum(archive, "md5") != expected:
        raise DataError(f"{archive} is there and is another file: its checksum is not {expected}", "move it away")
    if not archive.exists():
        fetch(url or SITE + layout.archive, archive, expected, LARGEST, "; --url takes another place that has it")
    with written_aside(target) as aside:
        _unpack(archive, layout.folder, aside)
    return target


def _unpack(archive: Path, folder: str, target: Path) -> None:
    """Unpack the regular files of one folder of an archive; refuses whatever would lead elsewhere or grow too large."""
    whole = 0
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for count, member in enumerate(opened):
                tarfile.data_filter(
                    member, str(target)
                )  # refuses absolute names, `..`, links that lead out, devices
                whole += member.size
                if whole > UNPACKED or count >= MEMBERS:
                    raise DataError(f"{archive} unpacks to more than it can", "this is not the official file")
                if member.isdir():
                    continue
                parent, _, name = member.name.removeprefix("./").rpartition("/")
                file = opened.extractfile(member) if member.isreg() and parent == folder else None
                if file is None:
                    raise DataError(
                        f"{archive} has {member.name}, which does not belong there", "this is not the official file"
                    )
                with file, open(target / name, "xb") as written:
                    shutil.copyfileobj(file, written)
    except tarfile.FilterError as error:
        raise DataError(
            f"{archive} would write elsewhere: {error}", "this is not the official file; it was not unpacked"
        ) from None
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{archive} is damaged: {error}", "remove it, and fetch it again") from None
