"""What `archspec import` makes of two lists of nets: PYTHONPATH=<peers> python bench/importing.py torchvision timm [SOURCE...].

The lists are all of torchvision's classifiers, and 100 nets of timm: one of each family (module), drawn by `random.Random(0)`,
filled to 100 from all names. A list goes on where it was left; a source such as `timm:resnet18` is tried again, and `--again`
tries all that are not equal. Each net is a process of its own with limits of memory and time, small nets first. A net of more
than 400 million parameters, and with `--shapes` every net, is compared by names, shapes and counts alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "results" / "importing.txt"
HEAD = "# net | outcome | lines of the spec | seconds of CPU time, without the import of PyTorch | million parameters | reason"
LARGE = 400_000_000
MEMORY, SECONDS = 14 << 30, 900
SEED, COUNT = 0, 100
NOT_TRIED = "not tried"
QUICKLY = ("torchvision:googlenet", "torchvision:inception_v3", "torchvision:vgg")
SIZES = {"torchvision:inception_v3": (3, 299, 299)} | {
    f"torchvision:swin_v2_{size}": (3, 256, 256) for size in "tsb"
}
"""Sizes of images that torchvision's weights are for, where the usual one does not fit the net."""


@dataclass(frozen=True)
class Outcome:
    """What became of a net; the `reason` is that of a refusal."""

    net: str
    outcome: str
    lines: str = "-"
    seconds: str = "-"
    millions: str = "-"
    reason: str = ""

    def __str__(self) -> str:
        return " | ".join(astuple(self)).rstrip(" |")

    @property
    def equal(self) -> bool:
        """Whether the spec was proven, or compared by shapes where the net is too large for more."""
        return self.outcome == "equal" or (self.outcome == "equal shapes" and float(self.millions) > LARGE / 1e6)


def torchvision_names() -> list[str]:
    """All of torchvision's classifiers."""
    import torchvision

    return [f"torchvision:{name}" for name in torchvision.models.list_models(module=torchvision.models)]


def timm_names() -> list[str]:
    """One net of each of timm's families, filled to 100 from all names."""
    import timm

    draw, every = random.Random(SEED), sorted(timm.list_models())
    families = [sorted(timm.list_models(module=module)) for module in sorted(timm.list_modules())]
    names = [draw.choice(models) for models in families if models]
    names = names[:COUNT] + draw.sample([one for one in every if one not in names], max(0, COUNT - len(names)))
    return [f"timm:{name}" for name in names]


LISTS = {"torchvision": torchvision_names, "timm": timm_names}


def parameters(source: str) -> int:
    """The number of parameters of a net, which is made without memory for them."""
    import torch

    with torch.device("meta"):
        return sum(one.numel() for one in made(source).parameters())


def made(source: str) -> Any:
    """The module of a source."""
    from archspec_torch.importing.sources import module_of

    return module_of(source, given(source))[0]


def given(source: str) -> dict[str, Any]:
    """The arguments of a net, whose weights need no start of their own."""
    return {"init_weights": False} if source.startswith(QUICKLY) else {}


def outcome(source: str, shapes: bool) -> Outcome:
    """Import a net."""
    import torch

    import archspec
    from archspec_torch.importing.importing import _own_size

    torch.set_num_threads(1)
    began = time.process_time()
    try:
        count = parameters(source)
    except Exception:  # noqa: BLE001 - some modules compute their constants where they are made
        count = sum(one.numel() for one in made(source).parameters())
    shapes, millions = shapes or count > LARGE, f"{count / 1e6:.1f}"
    try:
        if shapes:
            module = made(source) if count <= LARGE else unfilled(source)
            spec = by_shapes(module, SIZES.get(source) or _own_size(module), source)
        else:
            spec = archspec.import_model(source, SIZES.get(source), arguments=given(source)).spec
    except archspec.ModelError as error:
        why = " / ".join(line.strip() for line in str(error).splitlines())
        return Outcome(source, "refused", "-", f"{time.process_time() - began:.0f}", millions, why[:500])
    lines = str(len(spec.splitlines()))
    return Outcome(
        source, "equal shapes" if shapes else "equal", lines, f"{time.process_time() - began:.0f}", millions
    )


def unfilled(source: str) -> Any:
    """A large net whose weights are whatever the memory holds."""
    import torch

    with torch.device("meta"):
        return made(source).to_empty(device="cpu")


def by_shapes(module: Any, size: tuple[int, ...], source: str) -> str:
    """The spec of a net, where the names and shapes of tensors and the number of parameters are equal."""
    import torch

    from archspec.errors import ModelError
    from archspec.importing import spec_of
    from archspec.importing.spec import problems_of
    from archspec_torch.importing.export import traced
    from archspec_torch.importing.importing import _named
    from archspec_torch.importing.proof import UnequalError, fitting

    why, name = "", source.partition(":")[2].replace(".", "_")
    net = traced(module, torch.zeros(2, *size), name=name, source=source)
    count = sum(one.numel() for one in module.parameters())
    for text, program in spec_of(net):
        try:
            fitting(module.state_dict(), _named(program), {old: new for new, old in net.renamed.items()})
        except UnequalError as error:
            why = str(error)
            continue
        if program.cost.params == count:
            return text
        why = f"the spec has {program.cost.params:,} parameters and the model {count:,}"
    raise ModelError(f"the spec of {name} differs: {why or problems_of(net)}", "look for what no graph shows")


def apart(source: str, shapes: bool) -> Outcome:
    """Import a net in a process of its own."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            send.send(outcome(source, shapes))
        except BaseException as error:  # noqa: BLE001 - whatever ends a net is its outcome
            send.send(Outcome(source, "failed", reason=f"{type(error).__name__}: {str(error).splitlines()[:1]}"))

    process = context.Process(target=work)
    process.start()
    send.close()
    try:
        found: Outcome = (
            receive.recv() if receive.poll(SECONDS) else Outcome(source, "failed", reason="out of time")
        )
    except EOFError:
        found = Outcome(source, "failed", reason="out of memory")
    process.kill()
    process.join()
    return found


def read() -> dict[str, Outcome]:
    """The outcomes so far."""
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else []
    rows = [line.split(" | ", 5) for line in lines if not line.startswith("#")]
    return {row[0]: Outcome(*row) for row in rows}


def write(outcomes: dict[str, Outcome], lists: dict[str, list[str]]) -> None:
    """All outcomes, with what they come to."""
    lines = [*summary(outcomes, lists), HEAD, *(str(outcomes[key]) for key in sorted(outcomes))]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def summary(outcomes: dict[str, Outcome], lists: dict[str, list[str]]) -> Iterator[str]:
    """What the outcomes of each list come to."""
    for name, names in lists.items():
        done = [outcomes[one] for one in names]
        kinds = Counter("refused or failed" if one.lines == "-" else one.outcome for one in done)
        kinds["refused or failed"] -= (untried := sum(one.outcome == NOT_TRIED for one in done))
        large = sum(one.outcome == "equal shapes" and one.equal for one in done)
        written = [one for one in done if one.lines != "-"]
        lines, seconds = [int(one.lines) for one in written] or [0], [int(one.seconds) for one in written] or [0]
        yield (
            f"# {name}, {len(names)} nets: {kinds['equal']} proven equal, {kinds['equal shapes']} of equal names, shapes, counts "
            f"({large} of them too large for more), {kinds['refused or failed']} refused or failed, {untried} not tried; "
            f"median {statistics.median(lines):g} lines, {statistics.median(seconds):g} s"
        )


def wanted(before: Outcome, again: bool, shapes: bool) -> bool:
    """Whether a net is tried once more."""
    if before.outcome == NOT_TRIED:
        return True
    if before.outcome == "equal shapes":
        return not before.equal and not shapes
    return again and not before.equal


def untried(source: str) -> Outcome:
    """A net that has no outcome yet, with its size, by which nets are ordered."""
    try:
        return Outcome(source, NOT_TRIED, millions=f"{parameters(source) / 1e6:.1f}")
    except Exception:  # noqa: BLE001 - some modules compute their constants where they are made
        return Outcome(source, NOT_TRIED, millions="10.0")


def main() -> None:
    """Try nets, each in a process, and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="+", help="torchvision, timm, or sources such as timm:resnet18")
    parser.add_argument("--again", action="store_true", help="try what was refused or failed again, too")
    parser.add_argument("--shapes", action="store_true", help="compare names, shapes and counts alone")
    options = parser.parse_args()
    from archspec_torch.importing.sources import _installed

    for package in ("torchvision", "timm"):
        _installed(package)

    lists = {name: names() for name, names in LISTS.items()}
    asked = [one for what in options.what for one in lists.get(what, [what])]
    outcomes = read()
    for source in asked + [one for names in lists.values() for one in names]:
        if source not in outcomes:
            outcomes[source] = untried(source)
    write(outcomes, lists)
    for source in sorted(asked, key=lambda one: float(outcomes[one].millions)):
        if source not in options.what and not wanted(outcomes[source], options.again, options.shapes):
            continue
        found = apart(source, options.shapes)
        known = found.millions if found.millions != "-" else outcomes[source].millions
        outcomes = read() | {source: replace(found, millions=known)}  # another process may have tried others
        print(outcomes[source], flush=True)
        write(outcomes, lists)


if __name__ == "__main__":
    main()
