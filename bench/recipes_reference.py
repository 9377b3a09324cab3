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
from timm.data import create_transform  # noqa: E402
from timm.data.mixup import Mixup, cutmix_bbox_and_lam  # noqa: E402
from timm.data.transforms import RandomResizedCropAndInterpolation  # noqa: E402
from timm.layers import drop_path  # noqa: E402
from timm.loss import BinaryCrossEntropy  # noqa: E402
from timm.models import create_model  # noqa: E402
from timm.optim import Lamb  # noqa: E402
from timm.utils import ModelEmaV3  # noqa: E402
from torchvision.ops import stochastic_depth  # noqa: E402
from torchvision.transforms import InterpolationMode, RandomErasing, RandomResizedCrop, autoaugment, v2  # noqa: E402
from torchvision.transforms import functional as vision_functional  # noqa: E402

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

np.random.seed(0)
levels = np.linspace(0.05, 0.95, 19)
both = Mixup(mixup_alpha=0.2, cutmix_alpha=1.0, prob=0.7, switch_prob=0.3)
drawn = [both._params_per_batch() for _ in range(20_000)]
cuts = [cutmix_bbox_and_lam((3, 224, 224), share) for share, cut in drawn if cut]
found["timm_mix/often"] = np.array([np.mean([share < 1 for share, _ in drawn]), np.mean([cut for _, cut in drawn])])
found["timm_mix/added"] = np.quantile([share for share, cut in drawn if share < 1 and not cut], levels)
found["timm_mix/cut"] = np.quantile(
    [[share, top, left, bottom - top, right - left] for (top, bottom, left, right), share in cuts], levels, axis=0
)
drawing, np.random.randint = np.random.randint, lambda low, high, size=None: 7  # every rectangle around the centre
boxes = [cutmix_bbox_and_lam((3, 14, 14), 1 - ((side + 0.5) / 14) ** 2)[0] for side in range(14)]
found["timm_mix/boxes"] = np.array([[top, left, bottom - top, right - left] for top, bottom, left, right in boxes])
np.random.randint = drawing
pair, pair_labels = torch.from_numpy(random.normal(size=(2, 3, 12, 10)).astype(np.float32)), torch.tensor([1, 3])
found["timm_mix/pair"] = pair.numpy().copy()
for name, share, cut in (
    ("added", 0.7, False),
    ("cut", 0.75, True),
):  # of a batch of two, the other is the one before
    mixup = Mixup(mixup_alpha=0.2, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=5)
    mixup._params_per_batch = lambda share=share, cut=cut: (share, cut)
    np.random.seed(3)
    if cut:
        (top, bottom, left, right), kept = cutmix_bbox_and_lam((3, 12, 10), share)
        found["timm_mix/pair/box"] = np.array([kept, top, left, bottom - top, right - left])
        np.random.seed(3)
    images, targets = mixup(pair.clone(), pair_labels)
    found[f"timm_mix/pair/{name}"], found[f"timm_mix/pair/{name}/targets"] = images.numpy(), targets.numpy()

ones = torch.ones(20_000, 4)
for mode in ("row", "batch"):  # values that come out, and how many of them are kept
    passed = torch.stack([stochastic_depth(ones[:20], 0.25, mode) for _ in range(1_000)])
    found[f"depth/torchvision/{mode}"] = np.array([*passed.unique(), (passed > 0).float().mean()])
passed = drop_path(ones, 0.25, training=True)
found["depth/timm/row"] = np.array([*passed.unique(), (passed > 0).float().mean()])
deep = create_model("resnet50", drop_path_rate=0.05)
blocks = [block for layer in (deep.layer1, deep.layer2, deep.layer3, deep.layer4) for block in layer]
found["depth/rates"] = np.array([block.drop_path.drop_prob if block.drop_path else 0.0 for block in blocks])

for width, height in ((53, 37), (37, 54), (41, 40), (20, 31)):
    whole = random.integers(0, 256, (height, width, 3), np.uint8)
    photo = Image.fromarray(whole)
    found[f"photo/{width}x{height}"] = whole
    for how in ("bilinear", "bicubic"):
        steps = create_transform(12, crop_pct=0.75, interpolation=how).transforms[:2]  # the shorter side to 16
        seen = vision.transforms.Compose(steps)(photo)
        found[f"seen/{width}x{height}/16/{how}"] = np.asarray(seen)
        steps = [v2.Resize(15, InterpolationMode(how)), v2.CenterCrop(12)]
        found[f"seen/{width}x{height}/15/{how}"] = np.asarray(v2.Compose(steps)(photo))
        cropped = vision_functional.resized_crop(photo, 3, 2, 25, 15, [12, 10], InterpolationMode(how))
        found[f"resized/{width}x{height}/{how}"] = np.asarray(cropped)
chooser = RandomResizedCropAndInterpolation(12, interpolation="random")
found["filters"] = np.array([how.value for how in chooser.interpolation])
np.savez_compressed(sys.argv[1], **found)
