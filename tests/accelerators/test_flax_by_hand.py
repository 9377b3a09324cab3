"""The compiled step of Flax beside one that is written by hand: kernels and bytes by XLA's own account, 5% more at most."""

from typing import Any

import pytest

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from jax.sharding import Mesh  # noqa: E402
from steps_elsewhere import IMAGES, steps  # noqa: E402

IMAGES_A_STEP = 8
NET = "digits_resnet:resnet8"


class Block(nnx.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut."""

    def __init__(self, before: int, width: int, stride: int, rngs: Any) -> None:
        three: dict[str, Any] = {"kernel_size": (3, 3), "padding": 1, "use_bias": False, "rngs": rngs}
        self.conv1 = nnx.Conv(before, width, strides=stride, **three)
        self.bn1, self.bn2 = (nnx.BatchNorm(width, momentum=0.9, rngs=rngs) for _ in range(2))
        self.conv2 = nnx.Conv(width, width, **three)
        self.stride, self.added = stride, width - before

    def __call__(self, x: Any) -> Any:
        out = nnx.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.stride > 1:
            x = jnp.pad(x[:, :: self.stride, :: self.stride], ((0, 0), (0, 0), (0, 0), (0, self.added)))
        return nnx.relu(out + x)


class ResNet8(nnx.Module):
    """The net of He et al. for CIFAR with one block a stage, for digits."""

    def __init__(self, rngs: Any) -> None:
        self.conv1 = nnx.Conv(1, 16, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn1 = nnx.BatchNorm(16, momentum=0.9, rngs=rngs)
        self.blocks = nnx.List([Block(16, 16, 1, rngs), Block(16, 32, 2, rngs), Block(32, 64, 2, rngs)])
        self.fc = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = nnx.relu(self.bn1(self.conv1(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean((1, 2)))


def by_hand() -> Any:
    """The step as one writes it: bytes on the device, moved and normalized there, and what came of it added up there."""
    model = nnx.eval_shape(lambda: ResNet8(nnx.Rngs(0)))
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def step(state: Any, data: Any, lr: Any, indices: Any, top: Any, left: Any, mirrored: Any) -> Any:
        params, rest, velocity, loss_sum, wrong = state
        bytes_, all_labels, mean = data
        pixels = bytes_[indices].reshape(-1, 8, 8, 1).astype(jnp.float32) / 255 - mean
        pixels = jnp.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)))
        cut = jax.vmap(lambda image, y, x: jax.lax.dynamic_slice(image, (y, x, 0), (8, 8, 1)))(pixels, top, left)
        images = jnp.where(mirrored[:, None, None, None], cut[:, :, ::-1], cut)
        labels = all_labels[indices]
        optimizer = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(lr, momentum=0.9))

        def objective(params: Any) -> Any:
            model = nnx.merge(graph, params, rest, copy=True)
            logits = model(images)
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
            return loss, (logits, nnx.state(model, nnx.Not(nnx.Param)))

        (loss, (logits, rest)), grads = jax.value_and_grad(objective, has_aux=True)(params)
        updates, velocity = optimizer.update(grads, velocity, params)
        params = optax.apply_updates(params, updates)
        return params, rest, velocity, loss_sum + loss, wrong + (logits.argmax(1) != labels).sum()

    velocity = jax.eval_shape(
        optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.1, momentum=0.9)).init, params
    )
    scalar, numbers = jnp.zeros(()), jnp.zeros(IMAGES_A_STEP, jnp.int32)
    state = params, rest, velocity, scalar, jnp.zeros((), jnp.int32)
    data = (
        jax.ShapeDtypeStruct((IMAGES, 64), jnp.uint8),
        jax.ShapeDtypeStruct((IMAGES,), jnp.int32),
        jnp.zeros((8, 8, 1)),
    )
    given = scalar, numbers, numbers, numbers, jnp.zeros(IMAGES_A_STEP, bool)
    with jax.default_matmul_precision("highest"):
        return jax.jit(step, donate_argnums=0).lower(state, data, *given).compile()


def kernels(program: Any) -> int:
    """Operations of a compiled program that compute or copy, of its entry; what is fused is one."""
    text = program.as_text()
    entry = text[text.index("\nENTRY") :].splitlines()[1:]
    nothing = (" parameter(", " constant(", " tuple(", " get-tuple-element(", " bitcast(", " iota(")
    return sum(" = " in line and not any(word in line for word in nothing) for line in entry)


def test_a_step_has_the_kernels_and_bytes_of_one_by_hand() -> None:
    ours = (
        steps(NET, "fp32", IMAGES_A_STEP, Mesh(np.asarray(jax.devices("cpu")[:1]), ("data",)))
        .train.lower()
        .compile()
    )
    jax.config.update("jax_default_matmul_precision", None)
    theirs = by_hand()
    moved = [program.cost_analysis()["bytes accessed"] for program in (ours, theirs)]
    assert kernels(ours) <= 1.05 * kernels(theirs)
    assert moved[0] <= 1.05 * moved[1]
