"""Packing a data set into few large files, its images smaller where asked."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

from PIL import Image

from archspec_runtime.console import warn
from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.notices import refuse_unknown
from archspec_runtime.data.packed import Item, write_manifest, write_split, written_aside
from archspec_runtime.data.sources import read_patiently
from archspec_runtime.data.verify import ENCODED
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.images.pillow import with_shorter_side
from archspec_runtime.processes.platforms import cores
from archspec_runtime.recipe.images import Data

Form = Literal["same", "jpeg", "raw"]
QUALITY = 95
AHEAD = 64  # images in work


def pack(source: Path, target: Path, data: Data, form: Form, size: int | None, skip: bool) -> dict[str, int]:
    """Pack a data set; returns how many images and corrupt ones there were, and how many bytes it has.

    `same` keeps the files as they are; `jpeg` and `raw` (uncompressed PPM) store RGB upright, the short edge at most `size`.
    Raises RunError; nothing is left behind then.
    """
    if form == "same" and size is not None:
        raise RunError("files that are kept as they are have the size that they have", "--as jpeg or --as raw", 2)
    if data.dataset not in ENCODED:
        raise RunError(f"{data.dataset} is read into memory as it is", f"pack one of {', '.join(ENCODED)}", 2)
    plain = replace(data, augment=(), eval_resize=1)  # any resizing, so that images are not put into memory
    raw = ENCODED[data.dataset](source, (3, 1, 1), 0, plain)
    refuse_unknown(raw)
    if raw.left_out is not None and (left_out := raw.left_out.summary(source)):
        warn(*left_out.split("\n"))
    splits = {"train": raw.train, "val" if raw.val_is_test else "test": raw.test}
    splits |= {"val": raw.validation} if raw.validation else {}
    packer = _Packer(form, size, skip)
    with written_aside(target) as aside:
        sizes = {
            name: write_split(aside, name, packer.items(split))
            for name, split in splits.items()
            if isinstance(split, EncodedSplit)
        }
        made = {"from": str(source), "as": form, "size": size, "corrupt images left out": packer.left_out}
        write_manifest(aside, raw.classes, sizes, made)
    total = sum(len(split) for split in splits.values())
    return {"images": total - packer.left_out, "left out": packer.left_out, "bytes": sum(sizes.values())}


class _Packer:
    def __init__(self, form: Form, size: int | None, skip: bool) -> None:
        self.form, self.size, self.skip = form, size, skip
        self.left_out = 0

    def items(self, split: EncodedSplit) -> Iterator[Item]:
        """The images of a split in its order, packed by threads, for Pillow leaves the interpreter to others."""
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        with ThreadPoolExecutor(cores()) as pool:
            for index in range(len(split) + AHEAD):
                if index < len(split):
                    waiting.append((index, pool.submit(self._encoded, split, index)))
                if waiting and (index >= AHEAD or index >= len(split)):
                    done, future = waiting.popleft()
                    try:
                        yield split.source.names[int(split.chosen[done])], int(split.labels[done]), future.result()
                    except DataError as error:
                        if not self.skip:
                            pool.shutdown(wait=False, cancel_futures=True)
                            fix = "`archspec data verify` names all of them; --corrupt skip leaves them out"
                            raise DataError(error.message, fix) from None
                        self.left_out += 1

    def _encoded(self, split: EncodedSplit, index: int) -> bytes:
        raw = read_patiently(split.source, int(split.chosen[index]))
        image = split.opened(index, raw).verified()  # so that what is packed can be read
        if self.form == "same":
            return raw
        if self.size is not None and min(image.size) > self.size:
            image = image.resize(with_shorter_side(image.size, self.size), Image.Resampling.BILINEAR)
        file = io.BytesIO()
        if self.form == "jpeg":
            image.save(file, "JPEG", quality=QUALITY)
        else:
            image.save(file, "PPM")
        return file.getvalue()
