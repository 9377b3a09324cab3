"""Write tests/data/recipes_reference.npz: what torchvision and timm make of fixed images, targets and gradients.

pip install --no-deps torchvision==0.28.0 timm==1.0.31 huggingface_hub
python bench/recipes_reference.py tests/data/recipes_reference.npz
"""

import math
import sys

import numpy as np
import torch
from peers import torchvision
from PIL import Image

vision = torchvision()
from timm.data import auto_augment as timm_ops  # noqa: E402
from timm.loss import BinaryCrossEntropy  # noqa: E402
from timm.optim import Lamb  # noqa: E402
from timm.utils import ModelEmaV3  # noqa: E402
from torchvision.transforms import InterpolationMode, RandomErasing, RandomResizedCrop, autoaugment, v2  # noqa: E402

found = {"versions": np.array([vision.__version__, __import__("timm").__version__])}
random = np.random.default_rng(0)
pixels = random.integers(0, 256, (12, 10, 3), np.uint8)
image = Image.fromarray(pixels)
found["image"] = pixels

for how in ("nearest", "bilinear"):
    for wide, policy in ((False, autoaugment.RandAugment()), (True, autoaugment.TrivialAugmentWide())):
        space = policy._augmentation_space(31, *(() if wide else ((12, 10),)))
        for name, (strengths, signed) in space.items():
            for level in (9, 30):
                for sign in (1, -1) if signed else (1,):
                    strength = sign * float(strengths[level]) if strengths.ndim else 0.0
                    made = autoaugment._apply_op(image, name, strength, InterpolationMode(how), None)
                    found[f"torchvision/{name}/{wide}/{level}/{sign}/{how}"] = np.asarray(made)

for name in timm_ops._RAND_INCREASING_TRANSFORMS:
    for level in (7, 9.5):
        for negate in (False, True):
            timm_ops._randomly_negate = (lambda v: -v) if negate else (lambda v: v)
            hparams = {"img_mean": (124, 116, 104), "interpolation": Image.Resampling.BICUBIC}
            made = timm_ops.AugmentOp(name, prob=1.0, magnitude=level, hparams=hparams)(image)
            found[f"timm/{name}/{level}/{-1 if negate else 1}"] = np.asarray(made)

logits = torch.from_numpy(random.normal(size=(6, 5)))
labels = torch.tensor([0, 1, 2, 3, 4, 0])
found["logits"], found["labels"] = logits.numpy(), labels.numpy()
soft = torch.nn.functional.one_hot(labels, 5).double()
mixed = 0.7 * soft + 0.3 * soft.roll(1, 0)
found["bce"] = np.array([
    BinaryCrossEntropy(smoothing=0.1)(logits, labels).item(),
    BinaryCrossEntropy(smoothing=0.0, target_threshold=0.2)(logits, mixed).item(),
])  # fmt: skip

tensors = [torch.from_numpy(random.normal(size=shape)).requires_grad_() for shape in ((4, 3), (4,), (2, 4))]
found |= {f"lamb/{i}/start": t.detach().numpy().copy() for i, t in enumerate(tensors)}
gradients = random.normal(size=(5, 24))
found["lamb/gradients"] = gradients
groups = [{"params": [tensors[0], tensors[2]], "weight_decay": 0.02}, {"params": [tensors[1]], "weight_decay": 0.0}]
optimizer = Lamb(groups, lr=0.01, eps=1e-6, max_grad_norm=None)
for row in gradients:
    for tensor, part in zip(tensors, np.split(row, [12, 16]), strict=True):
        tensor.grad = torch.from_numpy(part.reshape(tensor.shape).copy())
    optimizer.step()
found |= {f"lamb/{i}/end": t.detach().numpy() for i, t in enumerate(tensors)}

batch = torch.from_numpy(random.normal(size=(4, 3, 12, 10)).astype(np.float32))
found["mix/images"] = batch.numpy()
found["mix/added"] = v2.MixUp(num_classes=5).transform(batch, {"lam": 0.7, "batch_size": 4, "labels": None}).numpy()
for seed in range(5):
    cutmix = v2.CutMix(num_classes=5)
    torch.manual_seed(seed)
    share, across, down = float(cutmix._dist.sample(())), int(torch.randint(10, (1,))), int(torch.randint(12, (1,)))
    torch.manual_seed(seed)
    params = cutmix.make_params([batch])
    left, top, right, bottom = params["box"]
    found[f"cut/{seed}"] = np.array([share, across, down, left, top, right, bottom, params["lam_adjusted"]])

average = ModelEmaV3(torch.nn.Linear(1, 1), decay=0.99, use_warmup=True, warmup_power=0.67)
found["ema"] = np.array([average.get_decay(step) for step in range(1, 2001)])

torch.manual_seed(0)
large = Image.new("RGB", (500, 375))
crops = [RandomResizedCrop.get_params(large, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(20_000)]
found["crops"] = np.quantile([[h * w / 187_500, math.log(w / h), top, left] for top, left, h, w in crops],
                             np.linspace(0.05, 0.95, 19), axis=0)  # fmt: skip
empty = torch.zeros(3, 224, 224)
boxes = [RandomErasing.get_params(empty, (0.02, 0.33), (0.3, 3.3), [0.0])[:4] for _ in range(20_000)]
found["erased"] = np.quantile([[h * w / 50_176, math.log(h / w), top, left] for top, left, h, w in boxes],
                              np.linspace(0.05, 0.95, 19), axis=0)  # fmt: skip
np.savez_compressed(sys.argv[1], **found)
