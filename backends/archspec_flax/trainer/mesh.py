"""The devices that share a run: arrays that all have, and batches that are split over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Tree = Any
AXIS = "data"


@dataclass(frozen=True)
class Devices:
    """The same number of devices of each process, along one axis. With one device, nothing is split."""

    mesh: Mesh

    @staticmethod
    def of(first: jax.Device, each: int = 1) -> Devices:
        """So many devices of each process, of the kind of the first."""
        chosen = [first] if each == 1 and jax.process_count() == 1 else _of_each(first.platform, each)
        return Devices(Mesh(np.asarray(chosen), (AXIS,)))

    @property
    def local(self) -> Devices:
        """Those of this process."""
        return Devices(Mesh(np.asarray(self.mesh.local_devices), (AXIS,)))

    @property
    def many(self) -> bool:
        """Whether there is more than one."""
        return bool(self.mesh.size > 1)

    @property
    def everywhere(self) -> NamedSharding:
        """How an array lies that each device has."""
        return NamedSharding(self.mesh, PartitionSpec())  # type: ignore[no-untyped-call]

    def split(self, axis: int = 0) -> NamedSharding:
        """How an array lies that is cut along an axis."""
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, AXIS))  # type: ignore[no-untyped-call]

    def spread(self, tree: Tree) -> Tree:
        """Give every device what this process, like all others, has.

        One device is given it too, for JAX compiles anew for what comes back from a device after what lay there by chance.
        """
        return jax.tree.map(self._spread, tree) if self.many else jax.device_put(tree, self.mesh.devices.flat[0])

    def _spread(self, leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = self._spread(jax.random.key_data(leaf))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, self.everywhere, lambda index: whole[index])

    def shared(self, tree: Tree, axis: int = 0) -> Tree:
        """One array of the shares (numpy) that the processes have of it, cut along an axis."""
        if not self.many:
            return tree
        join = partial(jax.make_array_from_process_local_data, self.split(axis))
        return jax.tree.map(join, tree)

    def cut(self, array: jax.Array) -> jax.Array:
        """Inside a compiled step: an array that is split along its first axis."""
        if not self.many:
            return array
        split: jax.Array = jax.lax.with_sharding_constraint(array, self.split())  # type: ignore[no-untyped-call]
        return split


def _of_each(platform: str, each: int) -> list[jax.Device]:
    found: dict[int, list[jax.Device]] = {}
    for device in jax.devices(platform):
        found.setdefault(device.process_index, []).append(device)
    return [device for process in sorted(found) for device in found[process][:each]]


def on_this_process(tree: Tree) -> Tree:
    """Of arrays that all devices have, those of this process's first."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf, tree)
