"""Where the `archspec` command begins."""

from __future__ import annotations

try:
    import atexit
    import gc
    import os
    import signal
    import sys
except KeyboardInterrupt:  # so early that there is nothing to say
    raise SystemExit(130) from None


def main() -> None:
    """Run the command line; Ctrl-C ends it as it ends any program, at once and without a word.

    Python would raise an exception instead, wherever it is: in the imports of a framework, which may not survive it, or in
    a callback, which swallows it. Whoever writes something takes away what is half written (`undoing`), and a run that
    trains saves a checkpoint first (`signals`).
    """
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # it is not ignored, as in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # they are looked for in all that is installed
    gc.disable()  # imports make much that stays, and no cycles worth a search
    from archspec_cli.main import main as run

    gc.freeze()
    gc.enable()
    atexit.register(_leave)
    run()


def _leave() -> None:
    """End without a search for cycles among all that was imported; what a framework holds is left to it."""
    if sys.modules.keys().isdisjoint(("torch", "jax")):
        gc.freeze()
