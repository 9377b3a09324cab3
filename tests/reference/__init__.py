"""The oracle: every primitive operation in NumPy, forward and gradient, and networks evaluated by them.

`apply(op, inputs, params)` gives the result and a function from the gradient of the result to those of the inputs and
parameters. Images are (N, C, H, W), in double precision; normalization is that of training.
"""

from reference import activations, arithmetic, attention, convolutions, normalization, pooling, resizing, tokens  # noqa: F401
from reference.attention import coordinates, position_index
from reference.networks import run, run_results
from reference.rules import RULES, apply

__all__ = ["RULES", "apply", "coordinates", "position_index", "run", "run_results"]
