"""Write tests/data/published_nets.json: the tensors and parameters of the zoo's nets in torchvision and timm.

pip install --no-deps torchvision==0.28.0 timm==1.0.31
python bench/published_reference.py > tests/data/published_nets.json
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from peers import published, torchvision

from published import NETS, tensors

nets = {}
for name in NETS:
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # RegNet reads its widths from tensors
        model = published(name)
    state = {key: list(value.shape) for key, value in model.state_dict().items()}
    nets[name] = {
        "params": sum(p.numel() for p in model.parameters()),
        "tensors": len(state),
        "sha256": tensors(state),
    }
import timm  # noqa: E402

print(json.dumps({"torchvision": torchvision().__version__, "timm": timm.__version__, "nets": nets}, indent=1))
