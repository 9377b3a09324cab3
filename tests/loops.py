"""How often a test tries: a little in every run of the suite, much in the long one (`pytest --long`)."""

import os

LONG = "ARCHSPEC_TESTS_LONG"


def tries(usual: int, long: int) -> int:
    """How many examples, kills or starts a test makes; one that is marked `longer` makes `long` of them with `--long`."""
    return long if is_long() else usual


def is_long() -> bool:
    """Whether this is the long run, which draws other examples each time."""
    return bool(os.environ.get(LONG))
