"""What a recipe's precision means on GPUs and TPUs: fp32 is that in every operation, TF32 is asked for by name."""

import pytest


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    yield torch
    torch.backends.cudnn.allow_tf32 = True
    if hasattr(torch.backends.cudnn, "conv"):
        torch.backends.cuda.matmul.fp32_precision = "none"
    else:
        torch.backends.cuda.matmul.allow_tf32 = False


@pytest.mark.parametrize(("precision", "multiplied"), [("fp32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee")])
def test_pytorch_multiplies_in_convolutions_as_in_linear_layers(precision, multiplied, torch):
    from archspec_torch.trainer.device import use_precision

    assert use_precision(precision) == torch.float32
    convolved, projected = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(convolved, "conv"):  # since PyTorch 2.9
        assert convolved.conv.fp32_precision == projected.fp32_precision == multiplied
        assert torch.backends.cudnn.allow_tf32 == (
            multiplied == "tf32"
        )  # which others read, torch.export among them
    else:
        assert convolved.allow_tf32 == projected.allow_tf32 == (multiplied == "tf32")


@pytest.fixture
def jax():
    jax = pytest.importorskip("jax")
    yield jax
    jax.config.update("jax_default_matmul_precision", None)


@pytest.mark.parametrize(("precision", "said"), [("fp32", "HIGHEST"), ("tf32", "HIGH")])
def test_jax_multiplies_in_convolutions_as_in_linear_layers(precision, said, jax):
    from archspec_flax.trainer.precision import use_precision

    def convolved_and_projected(images, kernel, weight):
        convolved = jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return (convolved.mean((1, 2)) @ weight).sum()

    use_precision(precision)
    shapes = [jax.ShapeDtypeStruct(s, jax.numpy.float32) for s in ((2, 8, 8, 3), (3, 3, 3, 4), (4, 5))]
    text = jax.jit(jax.grad(convolved_and_projected, (1, 2))).lower(*shapes).as_text()
    products = [
        line for line in text.splitlines() if "stablehlo.convolution" in line or "stablehlo.dot_general" in line
    ]
    assert len(products) >= 3
    for line in products:
        assert f"{said}, {said}]" in line.replace("#stablehlo<precision ", "").replace(">", ""), line


def test_a_flax_run_in_singles_after_one_in_doubles_computes_in_singles():
    jax = pytest.importorskip("jax")
    from archspec_flax.trainer.precision import use_precision

    use_precision("fp64")
    assert jax.nn.one_hot(0, 3).dtype == "float64"
    use_precision("fp32")
    assert jax.nn.one_hot(0, 3).dtype == "float32"
