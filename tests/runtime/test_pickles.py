"""Pickles are read without running what they ask for."""

import os
import pickle
import subprocess

import numpy as np
import pytest

from archspec_runtime.data.cifar import read_cifar, read_pickle
from archspec_runtime.errors import DataError
from archspec_runtime.recipe.images import Data


@pytest.mark.parametrize(
    "batch",
    [
        [],
        {},
        {b"labels": [0] * 10_000},
        {b"data": np.zeros((9_999, 3072), np.uint8), b"labels": [0] * 9_999},
        {b"data": np.zeros((10_000, 3072), np.float32), b"labels": [0] * 10_000},
        {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": [0] * 9_999},
        {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": ["x"] * 10_000},
        {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": [[0], [0, 1]]},
    ],
    ids=["list", "empty", "no data", "short", "floats", "few labels", "text labels", "ragged labels"],
)
def test_a_pickle_of_something_else_is_named(tmp_path, batch):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(DataError, match="data_batch_1 does not hold 10,000 "):
        read_cifar("cifar10")(tmp_path, (3, 32, 32), 10, Data())


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def refers(module, name, *arguments):
    """A pickle that calls module.name, which need not exist here."""
    tail = b"".join(pickle.dumps(a, 0)[:-1] for a in arguments)
    return b"c" + f"{module}\n{name}\n".encode() + b"(" + tail + b"tR."


MALICE = {
    "os.system": pickle.dumps({b"data": Call(os.system, "touch hit")}, protocol=2),
    "subprocess": pickle.dumps(Call(subprocess.call, ["touch", "hit"]), protocol=4),
    "eval": pickle.dumps(Call(eval, "open('hit', 'w')"), protocol=2),
    "exec in protocol 0": refers("__builtin__", "exec", "open('hit', 'w')"),
    "getattr": refers("builtins", "getattr", "x", "y"),
    "numpy's own loader": refers("numpy", "load", "hit"),
    "numpy through an attribute": refers("numpy.core.multiarray", "_reconstruct.__class__", 1),
    "dotted": refers("numpy", "ndarray.__reduce__", 1),
    "importing": refers("antigravity", "fly"),
    "codec": refers("_codecs", "encode", "x", "zlib"),
    "persistent": b"Phit\n.",
    "extension": b"\x82\x01.",
    "dtype that does not parse": pickle.dumps(Call(np.dtype, "i4,("), protocol=2),
    "huge array": pickle.dumps(Call(np.ndarray, (1 << 50,)), protocol=2),
    "empty": b"",
    "text": b"<html>404</html>",
    "cut off": pickle.dumps({b"data": np.zeros(1000, np.uint8)}, protocol=2)[:-100],
}


@pytest.mark.parametrize("name", MALICE)
def test_a_pickle_that_would_run_code_is_refused_and_does_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="some/batch is not an official CIFAR pickle") as caught:
        read_pickle(MALICE[name], "some/batch")
    assert "official archive" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("protocol", range(5))  # official files are older than the fifth, which has buffers
def test_pickles_of_plain_arrays_are_read_in_every_protocol(protocol):
    given = {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2, 300]}
    found = {str(k, "ascii") if isinstance(k, bytes) else k: v for k, v in read_pickle(
        pickle.dumps(given, protocol=protocol), "x").items()}  # fmt: skip
    np.testing.assert_array_equal(found["data"], given["data"])
    assert found["labels"] == given["labels"]
