"""The gallery of the zoo: a page a spec, with its picture, what it costs, where it is from, and the code that it becomes."""

from __future__ import annotations

from collections.abc import Iterator

import archspec
from archspec.drawing.box_text import cost_text
from archspec.drawing.draw import draw
from archspec.loading import zoo
from archspec.ops import show
from website.library import parts
from website.markdown import fenced, table
from website.pictures import as_image, in_both_colours

BACKENDS = {"PyTorch": "torch", "Flax": "flax"}
KINDS = ("Classification of images", "Small images", "Maps and features")
INTRODUCTION = """# The zoo

Every spec that comes with archspec. `archspec build NAME` writes the code that a net's page shows, with its `train.py`, and
`archspec train NAME --data FOLDER` trains it. Parameters and multiply-adds are counted from the spec, and equal those of the
built model. `archspec list` prints them.
"""
COLUMNS = ("parameters", "multiply-adds", "layers", "input", "recipe")


def pages() -> Iterator[tuple[str, str]]:
    """The pages and their pictures, by their path."""
    cards: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in zoo.names():
        net = archspec.load(name)
        yield f"docs/zoo/{name}.md", page(name, net)
        yield from in_both_colours(f"docs/zoo/{name}.svg", str(net.draw()))
        yield from in_both_colours(f"docs/zoo/small/{name}.svg", str(draw([net], depth=1)))
        cards[kind(net)].append(card(name, net))
    grids = [f"## {kind}\n\n:::::{{grid}} 1 2 3 3\n\n{''.join(some)}:::::\n" for kind, some in cards.items()]
    tree = "```{toctree}\n:hidden:\n\n" + "\n".join(zoo.names()) + "\n```\n"
    yield "docs/zoo/index.md", "\n".join([INTRODUCTION, *grids, tree])


def page(name: str, net: archspec.Program) -> str:
    """The page of a spec."""
    source, spec = parts(zoo.folder() / f"{name}.yaml")
    presets = {preset: archspec.load(name, preset=preset) for preset in net.spec.presets}
    shown = [
        f"# {name}\n",
        f"{source}\n",
        f"{as_image(name, f'The layers of {name}')}\n",
        table(("net", *COLUMNS), [costs(called, one) for called, one in ({name: net} | presets).items()]),
        f"## Spec\n\n{parent(net)}`archspec play {name}` opens it in the [playground](../play.md).\n",
        fenced("yaml", spec),
        "## Code\n",
        f"`archspec build {name} --backend torch` writes this `model.py`, and `train.py` beside it.\n",
        "::::{tab-set}\n:sync-group: framework\n",
        *(code(net, framework, backend) for framework, backend in BACKENDS.items()),
        "::::\n",
    ]
    return "\n".join(shown)


def code(net: archspec.Program, framework: str, backend: str) -> str:
    """A tab with the model in the words of a framework."""
    source = str(archspec.emit(net, backend)["model.py"])
    return f":::{{tab-item}} {framework}\n:sync: {backend}\n\n{fenced('python', source)}:::\n"


def parent(net: archspec.Program) -> str:
    """A link to the spec that another one changes."""
    found = net.spec.extends
    return f"It changes [{found}]({found}.md). " if found in zoo.names() else ""


def costs(name: str, net: archspec.Program) -> tuple[str, ...]:
    """The row of a net."""
    recipe = (net.spec.train and net.spec.train.recipe_name) or ""
    return (
        f"`{name}`", f"{net.cost.params:,}", f"{net.cost.macs:,}", str(net.cost.depth), show(net.input_shape),
        f"[{recipe}](../recipes.md#{recipe})" if recipe else "",
    )  # fmt: skip


def card(name: str, net: archspec.Program) -> str:
    """The net in the gallery."""
    about = [cost_text(net.cost), show(net.input_shape)]
    if count := len(net.spec.presets):
        about.append("1 preset" if count == 1 else f"{count} presets")
    head = f"::::{{grid-item-card}} {name}\n:link: {name}\n:link-type: doc"
    return f"{head}\n\n{as_image(f'small/{name}', '', wide=False)}\n\n{' · '.join(about)}\n::::\n\n"


def kind(net: archspec.Program) -> str:
    """Where a net stands in the gallery."""
    if len(net.output_shape) > 1 or sum(not output.train_only for output in net.outputs) > 1:
        return KINDS[2]
    return KINDS[1] if max(net.input_shape[1:]) <= 64 else KINDS[0]
