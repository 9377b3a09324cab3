"""`predict.py`: a dozen lines beside `model.onnx` that name what is on pictures, as the run's evaluation looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import index
from typing import Any

from archspec.backends import Weights
from archspec.ir.network import Network
from archspec.weights.identity import identity_of

CROPS = ("resize_shorter", "random_crop", "random_resized_crop")
STREAMED = ("webdataset", "parquet")
"""Data sets whose images are cut at the centre, whatever their size."""

FILTERS = {name: f"Image.Resampling.{name.upper()}" for name in ("nearest", "bilinear", "bicubic")}

SCRIPT = '''"""Names and probabilities of what is on pictures: python predict.py IMAGE..."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

onnxruntime.disable_telemetry_events()
session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
trained = json.loads(session.get_modelmeta().custom_metadata_map["archspec"])  # the run: class names, normalization, recipe
{statistics}

for path in sys.argv[1:]:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("{mode}")
{resizing}
    left, top = round((image.width - {width}) / 2), round((image.height - {height}) / 2)
    pixels = np.asarray(image.crop((left, top, left + {width}, top + {height})), np.float32) / 255
    pixels = ({channels_first} - {normalized}
    (logits,) = session.run(["logits"], {{"images": pixels[None]}})
    powers = np.exp(logits[0] - logits[0].max())
    for label in np.argsort(-powers)[:{top}]:
        print(f"{{path}}  {{trained['classes'][label]}}  {{powers[label] / powers.sum():.2%}}")
'''


def script_files(net: Network, weights: Weights | None) -> dict[str, str]:
    """The script, where the weights say class names, normalization and recipe and the net has one answer and pictures to see."""
    identity = identity_of(weights or {})
    if identity is None or net.outputs or net.input_shape[0] not in (1, 3):
        return {}
    try:
        return {"predict.py": _script(net, identity)} if net.classes == len(identity["classes"]) else {}
    except (KeyError, TypeError):  # a record that somebody has edited
        return {}


def _script(net: Network, identity: Mapping[str, Any]) -> str:
    channels, height, width = net.input_shape
    divided = identity["normalization"]["std"] is not None
    names = ("mean", "std") if divided else ("mean",)
    statistics = ", ".join(f'np.array(trained["normalization"]["{name}"], np.float32)' for name in names)
    resizing = "\n".join(f"    {line}" for line in _resizing(identity["recipe"]["data"], height, width))
    return SCRIPT.format(
        statistics=f"{', '.join(names)} = {statistics}", mode="L" if channels == 1 else "RGB", resizing=resizing,
        height=height, width=width, top=min(5, len(identity["classes"])), normalized="mean) / std" if divided else "mean)",
        channels_first="pixels[None]" if channels == 1 else "pixels.transpose(2, 0, 1)",
    )  # fmt: skip


def _resizing(data: Mapping[str, Any], height: int, width: int) -> Iterator[str]:
    """What evaluation does before it crops; images of a data set of one size just cover the net's input."""
    side, how = index(data["eval_resize"] or 0), FILTERS[data["eval_interpolation"]]
    if side:
        yield f"size = [{side} * length // min(image.size) for length in image.size]"
        yield f"image = image.resize(size, {how})"
    if not side or side < max(height, width):
        cut = side or data["dataset"] in STREAMED or any(step["kind"] in CROPS for step in data["augment"])
        least = "1, " if cut else ""
        yield f"scale = max({least}{width} / image.width, {height} / image.height)"
        yield f"size = max({width}, round(image.width * scale)), max({height}, round(image.height * scale))"
        yield f"image = image.resize(size, {how})"
