"""A net by a file of weights, which says what it was trained as."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec_runtime.errors import RunError
from archspec_runtime.files.conforming import odd
from archspec_runtime.job.job import Job
from archspec_runtime.measure.evaluation import Trained
from archspec_runtime.record.identity import normalization_of, read_identity
from archspec_runtime.record.own_source import Source

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework, MakeModel


def of_weights(
    framework: Framework, weights: Path, net: Mapping[str, Any], record: Mapping[str, Any], make_model: MakeModel,
    source: Source,
) -> Trained:  # fmt: skip
    """A net by a file `weights.safetensors` and the identity of the run that they are of. Raises RunError."""
    identity = read_identity({"identity": record}, "the metadata of the weights")
    assert identity is not None, "weights without one are the caller's to refuse"
    try:
        job = Job.from_dict({**net, "recipe": identity["recipe"]})
        if (name := odd(job)) is not None:
            raise ValueError(f"its `{name}`")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = (
            f"the recipe in the metadata of the weights is not one that this version of archspec knows ({error!r})"
        )
        raise RunError(message, "use the version that trained them") from None
    known, input_ = len(identity["classes"]), tuple(identity["net"]["input"])
    if known != job.classes:
        raise RunError(
            f"the weights are of {known} classes, and the net has {job.classes}", "give the spec of the run"
        )
    if input_ != job.input_shape:
        was, now = ("x".join(map(str, shape)) for shape in (input_, job.input_shape))
        raise RunError(f"the weights were trained on {was}, and the net takes {now}", "give the spec of the run")
    return Trained(framework, job, make_model, source, weights.parent, normalization_of(identity), None, identity)
