"""Write tests/data/torchvision_resnets.json: names, shapes and answers of torchvision's ResNets.

pip install --no-deps torchvision==0.28.0
python bench/torchvision_reference.py > tests/data/torchvision_resnets.json
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from peers import torchvision

from deterministic import fill, tensor

nets = {}
for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
    model = fill(getattr(torchvision().models, name)(weights=None))
    with torch.inference_mode():
        logits = model(tensor("images", (2, 3, 64, 64)))
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    nets[name] = {"state": shapes, "logits": logits[:, :10].tolist(), "norm": logits.norm().item()}
print(json.dumps({"torchvision": torchvision().__version__, "nets": nets}, indent=None))
