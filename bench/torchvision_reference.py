"""Write tests/data/torchvision_resnets.json: names, shapes and answers of torchvision's ResNets.

pip install --no-deps torchvision==0.28.0
python bench/torchvision_reference.py > tests/data/torchvision_resnets.json
"""

import json
import sys
from pathlib import Path

import torch

# torchvision has no CPU build for every release of PyTorch; it imports once its compiled operators are declared.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from deterministic import fill, tensor  # noqa: E402

nets = {}
for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
    model = fill(getattr(torchvision.models, name)(weights=None))
    with torch.inference_mode():
        logits = model(tensor("images", (2, 3, 64, 64)))
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    nets[name] = {"state": shapes, "logits": logits[:, :10].tolist(), "norm": logits.norm().item()}
print(json.dumps({"torchvision": torchvision.__version__, "nets": nets}, indent=None))
