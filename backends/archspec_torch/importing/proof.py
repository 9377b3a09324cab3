"""The proof that a spec is a model: both answer alike in evaluation and in training, and have the same gradients."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from archspec.importing.tensors import unequal_tensors
from archspec.loading.program import Program
from archspec_runtime.run.progress import said_if_slow
from archspec_torch.importing.results import like

TOLERANCE = 1e-9
"""How far numbers of double precision may differ, measured by the largest of them, as in the tests of the zoo."""

RATES = ("p", "drop_prob", "drop_rate")
"""What modules call the rate at which they drop values or samples."""


class Mode(Enum):
    """In which modes a model is compared: one that is a graph was exported in one of them."""

    BOTH = "both"
    TRAINING = "training"
    EVALUATION = "evaluation"


class UnequalError(Exception):
    """A spec and a model that differ; the message says in what."""


def prove(
    module: Any, ours: Any, net: Program, images: Any, renamed: Mapping[str, str], mode: Mode = Mode.BOTH
) -> list[str]:
    """Compare a model with `ours`, which was built of its spec, on a batch of images; what was compared, a line each.

    `renamed` has the names in the model of tensors that the spec calls otherwise. Raises UnequalError.
    """
    import torch

    theirs, names = copy.deepcopy(module), [output.name for output in net.outputs] or [""]
    in_spec = {old: new for new, old in renamed.items()}
    ours, theirs = ours.double(), theirs.double()
    _fill(theirs)
    ours.load_state_dict(fitting(theirs.state_dict(), ours.state_dict(), in_spec))
    count = sum(parameter.numel() for parameter in theirs.parameters())
    if not count:
        raise UnequalError("the model has no parameters, and nothing in it can be trained")
    if count != net.cost.params:
        raise UnequalError(f"the model has {count:,} parameters and the spec {net.cost.params:,}")
    images = torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    said = [f"{len(ours.state_dict()):,} tensors: names and shapes", f"{count:,} parameters"]
    said += [f"`{old}` of the model is `{new}` of the spec" for new, old in renamed.items()]
    with nothing_dropped(ours, theirs) as dropped, said_if_slow("comparing the model with its spec"):
        if mode is not Mode.TRAINING:
            said.append(_evaluation(ours, theirs, images, names))
            if any(dropped):
                raise UnequalError(
                    "the model drops values in evaluation as well: give its dropout `training=self.training`"
                )
        said += _training(ours, theirs, images, names, in_spec, mode)
    return said


def fitting(theirs: Mapping[str, Any], ours: Mapping[str, Any], in_spec: Mapping[str, str]) -> dict[str, Any]:
    """The tensors of a model by their names in its spec. Raises UnequalError where they are not those of the spec."""
    found = {in_spec.get(name, name): tensor for name, tensor in theirs.items()}
    for name in in_spec.values():
        if name in found and name in ours and found[name].numel() == ours[name].numel():
            found[name] = found[name].reshape(ours[name].shape)
    same_tensors(*({name: tuple(tensor.shape) for name, tensor in each.items()} for each in (ours, found)))
    return found


def same_tensors(one: Mapping[str, tuple[int, ...]], other: Mapping[str, tuple[int, ...]]) -> None:
    """Compare names and shapes: those of a spec with those of a model. Raises UnequalError."""
    if (why := unequal_tensors(one, other)) is not None:
        raise UnequalError(why)


def _fill(model: Any) -> None:
    """Weights with which images matter to the answers: He's for matrices, near 1 for scales and variances."""
    import torch

    numbers = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            drawn = torch.randn(tensor.shape, generator=numbers, dtype=torch.float64)
            if name.endswith("running_var"):
                tensor.copy_(1 + 0.1 * drawn.abs())
            elif tensor.ndim > 1:
                tensor.copy_(drawn * (2 * len(tensor) / tensor.numel()) ** 0.5)
            else:
                tensor.copy_(0.05 * drawn + (1 if name.endswith("weight") else 0))


@contextlib.contextmanager
def nothing_dropped(*models: Any) -> Iterator[list[float]]:
    """With every random rate at 0; the list grows by the rate of each dropout that was asked to drop."""
    import torch
    from torch.nn import functional

    before = []
    for model in models:
        for one in model.modules():
            for name in RATES:
                if isinstance(getattr(one, name, None), float) and ("drop" in type(one).__name__.lower() or "Stochastic" in
                                                                     type(one).__name__):  # fmt: skip
                    before.append((one, name, getattr(one, name)))
                    setattr(one, name, 0.0)
    dropped: list[float] = []

    def dropout(
        input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, train: bool = True
    ) -> Any:
        dropped.extend([p] if training and train else [])
        return input

    usual, functional.dropout = functional.dropout, dropout
    usual_dropout, torch.dropout = torch.dropout, lambda input, p, train: dropout(input, p, train)
    try:
        yield dropped
    finally:
        functional.dropout, torch.dropout = usual, usual_dropout
        for one, name, value in before:
            setattr(one, name, value)


def _evaluation(ours: Any, theirs: Any, images: Any, names: list[str]) -> str:
    import torch

    with torch.inference_mode():
        expected, found = like(theirs.eval()(images), names), like(ours.eval()(images), names)
    _all_close(found, expected, "the answers in evaluation")
    _two_answers(expected)
    largest = max(_difference(found[name], expected[name]) for name in expected)
    return f"answers in evaluation on {len(images)} images, largest difference {largest:.1e}"


def _two_answers(answers: Mapping[str, Any]) -> None:
    """Check that answers are worth comparing: those of two images differ."""
    first = next(iter(answers.values()))
    if (first[0] - first[1]).abs().max() <= 1e-6 * first.abs().max():
        raise UnequalError("two images have the same answers, so that comparing them proves nothing")


def _training(
    ours: Any, theirs: Any, images: Any, names: list[str], in_spec: Mapping[str, str], mode: Mode
) -> list[str]:
    """Compare the answers, the gradients and the running statistics of a step; in evaluation mode, where no other is known."""
    import torch

    results = []
    for model in (theirs, ours):
        model.train(mode is not Mode.EVALUATION).zero_grad()
        answers = like(model(images), names)
        numbers = torch.Generator().manual_seed(2)
        weighed = [
            (answers[name] * torch.randn(answers[name].shape, generator=numbers, dtype=torch.float64)).sum()
            for name in names
        ]
        if not any(one.requires_grad for one in weighed):
            raise UnequalError("the answers of the model have no gradient, as under torch.inference_mode()")
        sum(weighed[1:], weighed[0]).backward()
        answers = {name: one.detach() for name, one in answers.items()}
        results.append((answers, {name: one.grad for name, one in model.named_parameters()}))
    (expected, slopes), (found, own) = results
    _all_close(found, expected, "the answers in training")
    if mode is Mode.TRAINING:
        _two_answers(expected)
    size = max((one.abs().max().item() for one in slopes.values() if one is not None), default=1.0)
    for name, slope in slopes.items():
        mine = own[in_spec.get(name, name)]
        mine = mine if mine is None or slope is None else mine.reshape(slope.shape)
        if (slope is None) is not (mine is None):
            raise UnequalError(f"`{name}` has a gradient in one of both alone")
        if slope is not None and (mine - slope).abs().max() > 10 * TOLERANCE * size:
            raise UnequalError(f"the gradients of `{name}` differ by {(mine - slope).abs().max():.1e}")
    buffers = dict(ours.named_buffers())
    for name, buffer in theirs.named_buffers():
        if name in buffers and buffer.is_floating_point():
            _close(buffers[name], buffer, f"`{name}` after a step", at_least=1.0)
    if mode is Mode.EVALUATION:
        return [f"gradients of {len(slopes):,} parameters in evaluation mode"]
    largest = max(_difference(found[name], expected[name]) for name in expected)
    return [
        f"answers in training with every random rate 0, largest difference {largest:.1e}",
        f"gradients of {len(slopes):,} parameters, and running statistics",
    ]


def _all_close(found: Mapping[str, Any], expected: Mapping[str, Any], what: str) -> None:
    if found.keys() != expected.keys():
        ours, theirs = (", ".join(name or "one tensor" for name in names) for names in (found, expected))
        raise UnequalError(f"{what} are {ours} of the spec, {theirs} of the model")
    for name in expected:
        _close(found[name], expected[name], f"{what}{f' ({name})' if name else ''}")


def _difference(found: Any, expected: Any) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-300))


def _close(found: Any, expected: Any, what: str, at_least: float = 0.0) -> None:
    """Compare by the largest value, or by `at_least` where all may be rounding, as means of what is centred are."""
    if found.shape != expected.shape:
        raise UnequalError(f"{what} have the shapes {tuple(found.shape)} and {tuple(expected.shape)}")
    if not bool(expected.isfinite().all()):
        raise UnequalError(f"{what} of the model are not finite")
    if (found - expected).abs().max() > TOLERANCE * max(at_least, expected.abs().max().item()):
        raise UnequalError(f"{what} differ by {_difference(found, expected):.1e}")
