"""Nets of several outputs in every backend: what the reference gives in training and in inference, in the order of the spec."""

import numpy as np
import pytest

import archspec
import reference
from archspec.diagnostics import SpecError
from archspec.ir.liveness import for_inference
from archspec.ops import OPS
from comparing import Statistics, batch_norm_as, check, close
from operation_nets import BACKENDS
from several_outputs import NETS, PYRAMID, SEGMENTATION


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NETS)
def test_outputs_equal_the_reference(name, backend, spec):
    check(archspec.load(spec(NETS[name])), backend=backend)


def test_torch_gives_outputs_in_the_order_of_the_spec(spec):
    torch = pytest.importorskip("torch")
    model = archspec.build(archspec.load(spec(PYRAMID)), "torch")
    images = torch.zeros(2, 3, 12, 12)
    assert list(model(images)) == ["pool", "0", "input", "class", "x", "aux", "out", "self", "torch", "_", "jnp"]
    assert list(model.eval()(images)) == ["0", "input", "class", "x", "out", "self", "torch", "_", "jnp"]


def test_what_inference_leaves_out_is_not_computed(spec):
    torch = pytest.importorskip("torch")
    net = archspec.load(spec(SEGMENTATION))
    model = archspec.build(net, "torch").eval()
    del model.aux_classifier  # whose parameters a checkpoint has all the same
    assert "aux_classifier.0.weight" in net.tensor_shapes()
    assert list(model(torch.zeros(1, 3, 12, 12))) == ["out"]


@pytest.mark.parametrize("name", NETS)
def test_an_onnx_file_has_the_outputs_of_inference(name, spec):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from archspec_onnx.model import make_model

    net = archspec.load(spec(NETS[name]))
    random = np.random.default_rng(0)
    weights = {key: random.normal(size=shape) for key, shape in net.parameter_shapes().items()}
    statistics = Statistics()
    for row in net.modules():
        if row.op == "batch_norm":
            mean, var = random.normal(size=row.input_shapes[0][0]), 0.5 + random.random(row.input_shapes[0][0])
            weights |= {f"{row.name}.running_mean": mean, f"{row.name}.running_var": var}
            statistics.running += [] if row.train_only else [(mean, var)]
    x = random.normal(size=(2, *net.input_shape)).astype(np.float32)
    session = runtime.InferenceSession(
        make_model(net, weights).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    named = [o.name for o in net.outputs if not o.train_only] or ["logits"]
    assert [output.name for output in session.get_outputs()] == named
    with batch_norm_as(statistics.evaluate):
        (first, *others), _ = reference.run_results(for_inference(net.root), [x.astype(np.float64)], weights)
    for found, expected in zip(session.run(None, {"images": x}), others or [first], strict=True):
        close(found, expected, 1e-4)


def test_a_backend_that_knows_of_no_outputs_refuses_them(spec):
    class Older:
        name, supported = "older", frozenset(OPS)

    from archspec.backends import check_supported

    with pytest.raises(SpecError) as caught:
        check_supported(archspec.load(spec(SEGMENTATION)), Older())
    (found,) = caught.value.diagnostics
    assert (found.code, "named outputs" in found.message) == ("AS702", True)
