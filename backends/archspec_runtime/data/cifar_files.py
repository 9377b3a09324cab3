"""The files of CIFAR-10 and CIFAR-100, looked at one by one, against the checksums of the official ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from archspec_runtime.data.cifar import CLASSES, LAYOUTS, PYTHON, Archive, binary, find, pickled
from archspec_runtime.data.sources import checksum
from archspec_runtime.errors import DataError

# of the official site and, for the files of the python form, of torchvision's readers
MD5 = {
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
    "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}


def inspect_cifar(name: str, folder: Path) -> Iterator[tuple[str, int, str]]:
    """Each file of a data set, how many images it holds, and what is wrong with it. Raises DataError where there is none."""
    form, source = find(name, folder)
    layout = LAYOUTS[name][form]
    if isinstance(source, Archive):
        yield str(source.path), 0, _official(source.path.name, checksum(source.path, "md5"))
    parse = pickled if form == PYTHON else binary
    for file, count in (*layout.train, *layout.test):
        try:
            raw = source.read(file)
            parse(raw, source.name(file), count, layout, len(CLASSES[name]))
        except DataError as error:
            yield source.name(file), 0, error.message
        else:
            whole = isinstance(source, Archive)  # which has a checksum of its own
            yield source.name(file), count, "" if whole else _official(file, hashlib.md5(raw).hexdigest())


def _official(name: str, found: str) -> str:
    expected = MD5.get(name, found)
    return "" if found == expected else f"its checksum is {found}, and the official file's {expected}"
