"""Weights and images that any process can make anew: drawn from a generator seeded by the tensor's name."""

import zlib

import numpy as np
import torch


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    draws = np.random.Generator(np.random.Philox(zlib.crc32(name.encode()))).standard_normal(shape)
    if name.endswith("running_var"):
        draws = 1 + 0.1 * np.abs(draws)
    elif name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    elif len(shape) > 1:
        draws *= (2 / np.prod(shape[1:])) ** 0.5
    else:
        draws = 0.1 * draws + (1 if name.endswith("weight") else 0)
    return torch.from_numpy(np.asarray(draws))


def fill(model: torch.nn.Module) -> torch.nn.Module:
    model = model.double().eval()
    model.load_state_dict({k: tensor(k, tuple(v.shape)) for k, v in model.state_dict().items()})
    return model
