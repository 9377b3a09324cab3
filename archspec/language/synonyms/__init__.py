"""The words of other systems: what users of PyTorch, Keras, timm, torchvision and Ultralytics write, and what it is called here.

Letters alone mislead: `filters` looks like `first`, and `activation` like `dilation`. Whoever finds an unknown word asks here
before looking for one that is spelt like it.
"""

from archspec.language.synonyms.keys import PHASES, key, value
from archspec.language.synonyms.layers import argument, operation

__all__ = ["PHASES", "argument", "key", "operation", "value"]
