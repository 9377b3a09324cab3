"""Batch normalization over the batch of all processes, on any device, in one collective each way.

Every process has as many samples, so that nothing depends on how many the others have: no step waits for its device, and a
model is compiled as one graph. PyTorch's `SyncBatchNorm` asks for that in every layer, and needs a GPU.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

# PyTorch 2.13 has given it another name
gather_all: Any = getattr(dist, "all_gather_single", dist.all_gather_into_tensor)


def over_whole_batch(model: nn.Module) -> nn.Module:
    """The model with batch norms that normalize over the batch of all processes; names and buffers are as they were."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                setattr(module, name, WholeBatchNorm.of(child))
    return model


class WholeBatchNorm(_BatchNorm):
    """Batch normalization over all processes; the running variance gathers the unbiased one of the whole batch."""

    @classmethod
    def of(cls, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> WholeBatchNorm:
        """The same one, with the parameters and buffers of a batch norm of one process."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        made.weight, made.bias = norm.weight, norm.bias
        made.running_mean, made.running_var = norm.running_mean, norm.running_var
        made.num_batches_tracked = norm.num_batches_tracked
        return made.train(norm.training)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize images (N, C, H, W) or vectors (N, C)."""
        if not self.training:
            return super().forward(input)
        normalized, mean, variance = Normalized.apply(input, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call, unused-ignore]
        count = input.numel() // input.shape[1] * dist.get_world_size()
        self._track(mean, variance, count)
        result: Tensor = normalized
        return result

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of pixels will do."""

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)
        self.num_batches_tracked.add_(1)


class Normalized(Function):
    """Images normalized over all processes, with mean and variance (C,), which are not taken in half precision.

    Kept for the gradient are the images as they are given and two numbers a channel.
    """

    @staticmethod
    def forward(
        context: Any, images: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalize."""
        mean, variance = whole_moments(images)
        context.save_for_backward(images, weight, mean, torch.rsqrt(variance + eps))
        context.mark_non_differentiable(mean, variance)
        return F.batch_norm(images, mean, variance, weight, bias, training=False, eps=eps), mean, variance

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of images, weight and bias; of the latter two those of this process, which are averaged as all are."""
        images, weight, mean, inverse = context.saved_tensors
        gradient = gradients[0]
        _, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, images, weight, None, None, mean, inverse, True, 0.0, [False, True, True]
        )
        count = images.numel() // images.shape[1] * dist.get_world_size()
        sums = torch.stack([by_bias, by_weight])
        dist.all_reduce(sums)
        shift, slope = sums / count
        # d = scale (g - mean(g) - x^ mean(g x^)), where x^ = (x - mean) inverse: linear in g and x
        scale = inverse if weight is None else inverse * weight
        of_images = -scale * slope * inverse
        constant = -scale * shift - of_images * mean
        result = torch.addcmul(spread(constant, images), spread(scale, images), gradient)
        result = torch.addcmul(result, spread(of_images, images), images)
        kept = weight is not None
        return result.to(images.dtype), by_weight if kept else None, by_bias if kept else None, None


def whole_moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (C,) of images over all processes, of those of each (Chan et al., 1979)."""
    exact = torch.promote_types(images.dtype, torch.float32)
    axes = [axis for axis in range(images.ndim) if axis != 1]  # all but channels
    variance, mean = torch.var_mean(images.to(exact), axes, correction=0)
    own = torch.cat([mean, variance])
    every = own.new_empty(dist.get_world_size() * len(own))
    gather_all(every, own, group=dist.group.WORLD)
    means, variances = every.view(-1, 2, len(mean)).unbind(1)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)


def spread(values: Tensor, images: Tensor) -> Tensor:
    """One number a channel, over images or vectors."""
    return values.view(-1, *(1 for _ in images.shape[2:]))
