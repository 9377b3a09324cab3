"""Caffe's prototxt files become specs with the same sizes and counts, or are refused with one message."""

import os
import re

import pytest

import archspec
import caffe_nets
from archspec.analysis.diff import diff
from archspec.loading import zoo

HEAD = 'name: "Small"\nlayer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }\n'


@pytest.fixture(scope="module")
def resnet50(tmp_path_factory):
    path = tmp_path_factory.mktemp("caffe") / "ResNet-50-deploy.prototxt"
    path.write_text(caffe_nets.residual(50))
    return archspec.import_model(str(path))


def test_the_released_resnet50_is_the_papers_but_for_its_stem_and_its_names(resnet50):
    """A bias in conv1, a first pooling that rounds up without padding, and names of layers outside of the blocks."""
    found = diff(archspec.load("resnet50:paper"), resnet50.network)
    changed = {tuple(re.findall(r"^([-+])\s+(\w+) = (\w+)\(", line)) for line in found.lines}
    assert changed == {
        (("-", "conv1", "conv"),), (("+", "conv1", "conv"),), (("-", "bn1", "batch_norm"),), (("+", "bn_conv1", "batch_norm"),),
        (("-", "relu", "relu"),), (("+", "conv1_relu", "relu"),), (("-", "maxpool", "max_pool"),), (("+", "pool1", "max_pool"),),
        (("-", "layer1", "chain"),), (("+", "layer1", "chain"),),  # which take what the pooling gives
        (("-", "avgpool", "global_avg_pool"),), (("+", "pool5", "global_avg_pool"),), (("-", "fc", "linear"),),
        (("+", "fc1000", "linear"),), (),
    }  # fmt: skip
    assert found.costs == (("params", 25557032, 25557032 + 64),)
    assert "conv1: {conv: {out: 64, kernel: 7, stride: 2, bias: true}}" in resnet50.spec
    assert "pool1: {max_pool: {kernel: 3, stride: 2, ceil: true}}" in resnet50.spec


def test_blocks_and_repeats_are_mined_and_are_the_librarys(resnet50):
    lines = len((zoo.folder() / "resnet50.yaml").read_text().splitlines())
    assert "defaults: {bottleneck: {stride_in_1x1: true}}" in resnet50.spec
    assert "{name: layer3, block: bottleneck, repeat: 6, width: 256, stride: 2}" in resnet50.spec
    assert len(resnet50.spec.splitlines()) <= 1.2 * lines


def test_the_report_says_what_was_compared_and_what_was_left_out(resnet50):
    said = "\n".join(resnet50.report)
    for what in (
        "names and shapes",
        "25,557,096 parameters",
        "multiply-adds",
        "softmax `prob`",
        "`layer1.0.downsample.0`",
    ):
        assert what in said
    assert resnet50.renamed["layer4.2.conv3.weight"] == "res5c_branch2c"
    assert resnet50.weights == {}


@pytest.mark.parametrize("depth", [101, 152])
def test_the_deeper_releases_cost_what_the_papers_nets_do(depth, tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(caffe_nets.residual(depth))
    net = archspec.import_model(str(path)).network
    assert net.cost == archspec.load(f"resnet{depth}:paper").cost


def conv(name, bottom, more="num_output: 4 kernel_size: 3 pad: 1", top=None):
    return caffe_nets.layer(name, "Convolution", bottom, top or name, f"convolution_param {{ {more} }}\n")


def imported(tmp_path, text):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return archspec.import_model(str(path))


def test_layers_of_common_nets_are_read(tmp_path):
    text = HEAD + conv(
        "conv1", "data", "num_output: 8 kernel_h: 3 kernel_w: 5 pad_h: 1 pad_w: 2 stride: 2 bias_term: false"
    )
    text += caffe_nets.layer("relu1", "ReLU", "conv1", "conv1", "relu_param { negative_slope: 0.1 }")
    text += conv("mixed/left", "conv1") + conv("mixed/right", "conv1", "num_output: 6 kernel_size: 1 group: 2")
    text += caffe_nets.layer("mixed/output", "Concat", ["mixed/left", "mixed/right"], "mixed/output")
    text += caffe_nets.layer(
        "pool", "Pooling", "mixed/output", "pool", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"
    )
    text += caffe_nets.layer(
        "fc", "InnerProduct", "pool", "fc", "inner_product_param { num_output: 5 bias_term: false }"
    )
    text += caffe_nets.layer("drop", "Dropout", "fc", "fc", "dropout_param { dropout_ratio: 0.4 }")
    spec = imported(tmp_path, text).spec
    for line in ("kernel: [3, 5], stride: 2", "leaky_relu: {slope: 0.1}", "groups: 2", "ceil: true", "count_padding: true",
                 "concat", "flatten", "bias: false", "dropout: {rate: 0.4}"):  # fmt: skip
        assert line in spec, spec


def test_files_from_before_2014_and_comments_are_read(tmp_path):
    text = 'input: "data" # images\ninput_shape < dim: [1, 3, 8, 8] >\n'
    text += "layers { name: 'c' type: CONVOLUTION bottom: 'data' top: 'c' convolution_param { num_output: 2, kernel_size: 3 } }\n"
    text += "layers { name: 'f' type: INNER_PRODUCT bottom: 'c' top: 'f' inner_product_param { num_output: 0x3 } }"
    assert imported(tmp_path, text).network.cost.params == 2 * 27 + 2 + 3 * 72 + 3


def test_layers_that_the_net_has_in_training_alone_are_left_out(tmp_path):
    rules = (
        "include { phase: TRAIN }", "include { phase: 0 }", "exclude { phase: TEST }", 'include { stage: "val" }',
        "include { min_level: 1 }",
    )  # fmt: skip
    text = HEAD + "".join(caffe_nets.layer(f"n{i}", "LRN", "data", "data", rule) for i, rule in enumerate(rules))
    text += conv("c", "data") + caffe_nets.layer(
        "drop", "Dropout", "c", "c", "include { phase: TRAIN } include { phase: TEST }"
    )
    assert [row.op for row in imported(tmp_path, text).network.modules()] == ["conv", "dropout"]


def test_a_pooling_may_round_down(tmp_path):
    pool = "pooling_param { kernel_size: 2 stride: 3 round_mode: FLOOR }"
    found = imported(tmp_path, HEAD + caffe_nets.layer("p", "Pooling", "data", "p", pool))
    assert "p: {max_pool: {kernel: 2, stride: 3}}" in found.spec


def test_names_that_no_step_and_no_output_has_are_others(tmp_path):
    text = (
        "\ufeff" + HEAD + conv("init", "data") + conv("from", "init", top="a/b") + conv("größe", "init", top="a_b")
    )
    found = imported(tmp_path, text + conv("last", "init", top="images"))
    assert [one.name for one in found.network.outputs] == ["a_b", "a_b_2", "out_images"]
    assert [row.name for row in found.network.modules()] == ["conv_init", "conv_from", "gr__e", "last"]


def test_a_normalization_without_scale_has_no_parameters(tmp_path):
    text = (
        HEAD + conv("c", "data") + caffe_nets.layer("bn", "BatchNorm", "c", "c", "batch_norm_param { eps: 0.001 }")
    )
    assert "bn: {batch_norm: {eps: 0.001, affine: false}}" in imported(tmp_path, text).spec


def test_all_unknown_layers_are_named_with_their_lines(cli, tmp_path):
    text = HEAD + conv("c", "data")
    text += caffe_nets.layer("norm1", "LRN", "c", "norm1") + caffe_nets.layer(
        "crop", "Crop", ["norm1", "c"], "crop"
    )
    text += caffe_nets.layer("most", "Eltwise", ["c", "data"], "most", "eltwise_param { operation: MAX }")
    path = tmp_path / "odd.prototxt"
    path.write_text(text)
    done = cli("import", path, "--out", tmp_path / "odd.yaml")
    assert done.exit_code == 1
    said = done.stderr
    assert len(re.findall("^error: ", said, re.MULTILINE)) == 1
    assert "3 layers that a spec cannot say" in said
    assert re.search(r"LRN: archspec has no such operation \(`norm1`, line \d+\)", said)
    assert "Crop: archspec has no such operation" in said
    assert "a maximum of blobs" in said
    assert not (tmp_path / "odd.yaml").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no layers"),
        ("net: 'train.prototxt'\nbase_lr: 0.1", "a solver's is another"),
        (HEAD.replace("dim: 16 }", "}"), "where one of images"),
        ('layer { name: "c" type: "ReLU" bottom: "x" top: "c" }', "has no input"),
        (HEAD, "gives nothing"),
        (HEAD + "layer {", "net.prototxt:3: `layer` is not closed"),
        (HEAD + "}", "net.prototxt:3: `}` closes nothing"),
        (HEAD + "layer { name: }", "`}` is no value of `name`"),
        (HEAD + "layer { name", "`name` has no value"),
        (HEAD + "\x00", "is no part of a prototxt"),
        (HEAD + "a {" * 50, "nested"),
        (HEAD + conv("c", "nothing"), "takes `nothing`, which no layer before it gives"),
        (HEAD + conv("c", "data", "num_output: 4"), "no kernel_size"),
        (HEAD + conv("c", "data", "num_output: 1e999 kernel_size: 3"), "Convolution: "),
        (HEAD + conv("c", "data", "num_output: 4 kernel_size: 31"), "Convolution: "),
        (HEAD + conv("c", "data", "num_output: 4 kernel_size: 12x"), "`12x` is no number"),
        (HEAD + conv("c", "data", "num_output: 4.7 kernel_size: 3"), "`num_output` takes a whole number, not 4.7"),
        (HEAD + conv("c", "data", "num_output: true kernel_size: 3"), "`num_output` takes a whole number, not True"),
        (HEAD + conv("c", "data", f"num_output: 0x{'f' * 6000} kernel_size: 3"), "is no number of 64 bits"),
        (HEAD + conv("c", "data", "num_output: 4 kernel_size: 3 bias_term: 2"), "`bias_term` takes true or false, not 2"),
        (HEAD + conv("c", "data", "num_output: 4 kernel_size: 3 strid: 2"), "`strid` of convolution_param is not read"),
        (HEAD.replace("dim: 3", "dim: 3.5"), "the sizes of the input are not read: `dim` takes a whole number, not 3.5"),
        (HEAD + caffe_nets.layer("d", "Dropout", "data", "d", "dropout_param { dropout_ratio: nan }"), "takes a number, not nan"),
        (HEAD + caffe_nets.layer("p", "Pooling", "data", "p", "pooling_param { pool: {} }"), "takes one word, not a message"),
        (HEAD + caffe_nets.layer("f", "Flatten", "data", "f", "flatten_param { axis: 2 }"), "a part of the axes"),
        (HEAD + caffe_nets.layer("d", "Dropout", ["data", "data"], "d"), "it takes 2 blobs"),
        (HEAD + caffe_nets.layer("e", "Eltwise", "data", "e"), "it takes 1 blob"),
        (HEAD + "".join(conv(x, "data", "num_output: 4 kernel_size: 3 } param { name: 'w'") for x in "ab"), "`w` is that of `a`"),
        (HEAD + "layer { type: 'ReLU' }" * 10_001, "10,002 layers"),
        (HEAD + conv("c", "data", "num_output: 4 kernel_size: 3 kernel_size: 3 kernel_size: 3"), "other than two dimensions"),
        (HEAD + caffe_nets.layer("s", "Scale", "data", "s", "scale_param { bias_term: true }"), "follows no BatchNorm"),
        (HEAD + caffe_nets.layer("d", "Data", [], "d") + conv("c", "data"), "Data: archspec has no such operation"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_message(cli, tmp_path, text, said):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    done = cli("import", path)
    assert done.exit_code == 1, done.output
    assert len(re.findall("^error: ", done.stderr, re.MULTILINE)) == 1
    assert said in re.sub(r"\s+", " ", done.stderr), done.stderr
    assert "Traceback" not in done.output


def test_a_caffemodel_is_no_prototxt(cli, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(b"\x0a\x09ResNet-50\xff\xfe")
    done = cli("import", path)
    assert (done.exit_code, "is no text" in done.stderr) == (1, True)
    missing = cli("import", tmp_path / "none.prototxt")
    assert (missing.exit_code, "there is no file" in missing.stderr) == (1, True)


def test_a_prototxt_has_no_weights_to_write(cli, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(HEAD + conv("c", "data"))
    done = cli("import", path, "--weights-out", tmp_path / "w.safetensors")
    assert (done.exit_code, "has no weights" in done.stderr) == (2, True)


@pytest.mark.parametrize("suffix", ["prototxt", "onnx", "pt2"])
def test_a_source_that_is_no_file_is_named_and_not_waited_for(cli, tmp_path, suffix):
    (tmp_path / f"folder.{suffix}").mkdir()
    os.mkfifo(tmp_path / f"pipe.{suffix}")
    for name, said in (("folder", "is a folder"), ("pipe", "is a device or a pipe"), ("none", "there is no file")):
        done = cli("import", f"{name}.{suffix}")
        assert (done.exit_code, said in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("name", ["a\nstem: [relu].prototxt", "a\udcff'\".prototxt"])
def test_the_name_of_a_file_begins_no_line_of_its_spec(cli, tmp_path, name):
    (tmp_path / name).write_text(HEAD + conv("c", "data"))
    done = cli("import", name, "--out", "net.yaml")
    assert done.exit_code == 0, done.stderr
    assert cli("check", "net.yaml").exit_code == 0
    assert [line for line in (tmp_path / "net.yaml").read_text().splitlines() if line.startswith("stem:")] == [
        "stem: [{c: {conv: {out: 4, kernel: 3, bias: true}}}]"
    ]


def test_a_folder_is_not_written_over(cli, tmp_path):
    (tmp_path / "net.prototxt").write_text(HEAD + conv("c", "data"))
    for out in ("", "."):
        done = cli("import", "net.prototxt", "--out", out, "--force")
        assert (done.exit_code, "is a folder" in done.stderr) == (2, True), done.stderr


def test_a_file_that_came_to_be_meanwhile_is_kept(cli, tmp_path, monkeypatch):
    """Importing may take minutes, in which another may write."""
    (tmp_path / "net.prototxt").write_text(HEAD + conv("c", "data"))
    found = archspec.import_model(str(tmp_path / "net.prototxt"))

    def slow(*_, **__):
        (tmp_path / "net.yaml").write_text("another's")
        return found

    monkeypatch.setattr(archspec, "import_model", slow)
    done = cli("import", "net.prototxt", "--out", "net.yaml")
    assert (done.exit_code, "net.yaml exists" in done.stderr) == (2, True), done.stderr
    assert (tmp_path / "net.yaml").read_text() == "another's"
