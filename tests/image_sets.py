"""A small data set of photos in every form that images come in, and what a run makes of it."""

import io
import re
import tarfile

import numpy as np
from PIL import Image

from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.recipe.augmentations import RandomCrop, ResizeShorter
from archspec_runtime.recipe.images import Data, HFlip

AUGMENT = (ResizeShorter(20, 40), RandomCrop(), HFlip())
SHAPE = (3, 16, 16)


def jpeg(seed, size=(40, 30)):
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = np.stack([x * 5 % 256, y * 7 % 256, (x + y) * (seed + 1) % 256], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def samples():
    """(split, class, label, number, bytes) of a small data set."""
    for split, count in (("train", 6), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                yield split, name, label, number, jpeg(50 * label + number + 7 * (split == "test"))


def as_folder(root):
    """The data set as a folder."""
    for split, name, _, number, raw in samples():
        path = root / split / name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return root


def opened(folder, dataset="image_folder", **data):
    recipe = Data(dataset=dataset, augment=AUGMENT, **data)
    return open_dataset(recipe, folder, input_shape=SHAPE, classes=2, seed=0)


def seen(folder, dataset="image_folder", **data):
    """What two epochs and the evaluation of a data set are made of."""
    found = opened(folder, dataset, **data)
    recipe = Data(dataset=dataset, augment=AUGMENT)
    made = Batches(found.train, recipe, 3, 0, SHAPE, measure("none", found.train, SHAPE), workers=0)
    steps = [(batch.labels.tolist(), batch.pixels.tobytes()) for batch in made.run(0, 2 * made.per_epoch)]
    return (
        steps,
        [np.asarray(found.test.image(i)).tobytes() for i in range(len(found.test))],
        found.test.labels.tolist(),
    )


def tar(path, members):
    with tarfile.open(path, "w") as made:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))


def as_tars(folder):
    """The data set as tars: two for training."""
    folder.mkdir()
    parts = {"train-000": [], "train-001": [], "test-000": []}
    for split, name, label, number, raw in samples():
        part = parts[f"train-00{label}" if split == "train" else "test-000"]
        part += [(f"{name}{number}.cls", str(label).encode()), (f"{name}{number}.jpg", raw)]
    for name, members in parts.items():
        tar(folder / f"{name}.tar", members)
    return folder


def said(result, code):
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


COUNTS = {"train": (6, 6), "test": (2, 2)}


def counts(found):
    return {name: one.of_classes for name, one in found.listings.items()}


def faults(output):
    """The places that `verify` calls wrong, with why."""
    table = re.split(r"^[\d,]+ faults?$", output, maxsplit=1, flags=re.M)
    rows = table[1].split("\n\n")[0] if len(table) == 2 else ""
    return dict(re.split(r"  +", line.strip(), maxsplit=1) for line in rows.splitlines() if line.strip())
