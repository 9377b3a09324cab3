"""Python's search for cycles, which looks at all of a large net again and again while it grows, and finds none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Leave the search until afterwards; also a decorator."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.freeze()
            gc.unfreeze()  # what was made meanwhile counts as old: it is not searched at once, as all that is new is
            gc.enable()
