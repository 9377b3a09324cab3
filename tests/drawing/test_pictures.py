"""`archspec draw`: what stands in a picture, that nothing in it overlaps, and that it is the same each time."""

import base64
import re
import xml.etree.ElementTree as ET

import pytest

import archspec
from archspec.drawing.draw import draw, page_of
from archspec.drawing.marks import paths
from archspec.drawing.page import text_width
from archspec.ir.graph_builder import GraphBuilder
from archspec.loading import zoo
from archspec.ops import Image
from archspec.ops.weighted import Conv

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def nets():
    return {name: archspec.load(name) for name in zoo.names()}


def boxes(svg):
    """The groups of a picture by path."""
    return {box.get("data-path"): box for box in ET.fromstring(svg).iter(f"{SVG}g")}


@pytest.mark.parametrize("name", ["resnet50", "densenet", "fcn_resnet50", "swin", "shufflenet_v2"])
def test_at_full_depth_every_step_of_the_net_is_in_the_picture(nets, name):
    found = {path for box in boxes(draw([nets[name]], depth=12)) for path in paths(box)}
    assert not [row.name for row in nets[name].modules() if row.name not in found]


def test_nothing_overlaps_and_nothing_leaves_the_page_in_the_whole_zoo(nets):
    for name, net in nets.items():
        for depth in (1, 2) if name in ("resnet50", "fcn_resnet50", "inception_v3", "googlenet", "vit") else (1,):
            page = page_of([net], depth)
            for index, one in enumerate(page.boxes):
                assert 0 <= one.x <= one.x + one.width <= page.width, (name, one.part.path)
                assert 0 <= one.y <= one.y + one.height <= page.height, (name, one.part.path)
                for other in page.boxes[index + 1 :]:
                    inside = one.is_open and other.part.path.startswith(f"{one.part.path}.")
                    apart = (
                        one.x + one.width < other.x
                        or other.x + other.width < one.x
                        or one.y + one.height < other.y
                        or other.y + other.height < one.y
                    )
                    assert apart != inside, (name, one.part.path, other.part.path)
                    assert not inside or (
                        one.x < other.x
                        and other.x + other.width < one.x + one.width
                        and one.y < other.y
                        and other.y + other.height < one.y + one.height
                    ), (name, one.part.path, other.part.path)


def test_text_is_no_wider_than_its_box(nets):
    for box in page_of([nets["swin"]], 3).boxes:
        if box.part.look == "block" and not box.is_open:
            assert all(
                text_width(text, 10.5 if style == "cost" else 12) <= box.width - 9 for style, text in box.lines
            )


def test_lines_are_level_or_upright_and_on_the_page(nets):
    for name in ("inception_v3", "vit", "swin", "fcn_resnet50", "densenet"):
        page = page_of([nets[name]])
        for line in page.lines:
            assert all(0 <= x <= page.width and 0 <= y <= page.height for x, y in line.points), name
            for (x, y), (x2, y2) in zip(line.points, line.points[1:], strict=False):
                assert x == x2 or y == y2, (name, line)


def test_every_edge_of_the_graph_is_drawn(nets):
    """Each box but the first has an arrow into it or is a parameter, and what ends in nothing is an output."""
    page = page_of([nets["googlenet"]], 1)
    ends = {line.points[-1] for line in page.lines}
    tops = {
        box.part.path: (round(box.x + box.width / 2, 3), box.y) for box in page.boxes if box.part.path != "input"
    }
    assert not {
        path for path, (x, y) in tops.items() if not any(abs(x - a) < 1 and abs(y - b) < 1 for a, b in ends)
    }
    assert {"output logits", "output aux1", "output aux2"} <= tops.keys()


def test_repeats_are_one_box_with_their_count_and_what_they_cost_together(nets):
    found = boxes(draw([nets["resnet50"]], depth=2))
    about = found["layer3.1-5"].find(f"{SVG}title").text
    assert (
        about
        == "layer3.1-5: 5 × bottleneck width=256, 1024x14x14, 5,585,920 parameters, 1,091,829,760 multiply-adds"
    )
    assert "denseblock3.denselayer1-24" in "".join(boxes(draw([nets["densenet"]], depth=3)))


def test_a_page_holds_resnet_152_down_to_its_steps(nets):
    page = page_of([nets["resnet152"]])
    assert page.width < 2400
    assert page.height < 1500
    assert any(box.part.path == "layer3.1-35.conv2" for box in page.boxes)


def test_a_pair_has_marked_what_the_other_lacks():
    pair = [archspec.load("resnet34"), archspec.load("plain34")]
    page = page_of(pair, 3)
    differing = {box.part.path for box in page.boxes if box.part.differs}
    assert {path.rpartition(".")[2] for path in differing} == {"add", "downsample"}
    assert "differs" in draw(pair, depth=1)
    assert not [box for box in page_of([pair[0], pair[0]], 3).boxes if box.part.differs]


def test_a_pyramid_has_its_inputs_by_name_and_its_outputs_where_they_leave():
    net = archspec.load("resnet50_fpn")
    page = page_of([net], 3)
    assert not [line for line in page.lines if line.kind == "arc"]
    told = {label.text for label in page.labels}
    assert {"c2 256x200x200", "c3 512x100x100", "c4 1024x50x50", "c5 2048x25x25"} <= told
    place = {box.part.path: box for box in page.boxes}
    for level, given in ((3, "fpn.inner_blocks.3"), (2, "fpn.m4"), (1, "fpn.m3"), (0, "fpn.m2")):
        above, below = place[given], place[f"fpn.layer_blocks.{level}"]
        assert 0 < below.y - above.y - above.height < 60
    ends = {place[f"output {name}"].y for name in ("0", "1", "2", "3", "pool")}
    assert len(ends) == 1
    assert (
        max(y for line in page.lines for _, y in line.points) <= max(box.y + box.height for box in page.boxes) + 10
    )
    assert "c2 256x200x200" in draw([net], "mermaid", 3)


@pytest.mark.parametrize("format", ["svg", "mermaid", "tikz"])
def test_a_picture_is_the_same_each_time(nets, format):
    assert draw([nets["fcn_resnet50"]], format) == draw([archspec.load("fcn_resnet50")], format)


def test_names_are_text_in_each_format():
    graph = GraphBuilder('<b>&"]--> $x_%', {"input": Image((3, 8, 8))})
    graph.add("conv", Conv(out=4, kernel=(3, 3)), "input")
    net = archspec.Network(graph.block("conv"))
    root = ET.fromstring(draw([net]))
    assert root.find(f"{SVG}title").text == '<b>&"]--> $x_%'
    assert not list(root.iter(f"{SVG}b"))
    assert "<b>" not in draw([net, net], "mermaid")
    assert r"\&" in draw([net], "tikz")


def test_mermaid_joins_boxes_that_are_there(nets):
    text = draw([nets["resnet34"], nets["plain34"]], "mermaid", 3)
    boxes = set(re.findall(r"^ *(n[\d_]+)\[", text, re.MULTILINE))
    joined = set(re.findall(r"(n[\d_]+) -->", text)) | set(re.findall(r"\| (n[\d_]+)$", text, re.MULTILINE))
    assert joined == boxes


def test_a_notebook_shows_picture_and_table(nets):
    net = nets["digits_resnet"]
    html = ET.fromstring(f"<div>{net._repr_html_()}</div>")
    picture = html.find("img").get("src").removeprefix("data:image/svg+xml;base64,")
    assert base64.b64decode(picture).decode() == net.draw()
    assert f"{net.cost.params:,}" in html.find("details/summary").text
    assert "\n" not in repr(net)
