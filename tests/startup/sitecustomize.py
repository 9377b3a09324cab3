"""What Python runs first in the processes that tests start: PyTorch's compiler is not loaded where nothing is compiled.

Optimizers and DDP import it, and a short process spends half of its time on that, only to say what it is to leave alone.
"""

import importlib
import sys
from contextlib import nullcontext
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

NAME = "torch._dynamo"


class Unloaded(ModuleType):
    """A module of the compiler, as far as a process asks for it that compiles nothing; all else is asked of the real one."""

    def __getattr__(self, name):
        # while Python makes the module, or looks over all that there are
        if "complete" not in vars(self) or name == "__file__":
            raise AttributeError(name)
        if FINDER in sys.meta_path:
            sys.meta_path.remove(FINDER)
            del sys.modules[NAME]
        return getattr(importlib.import_module(self.__name__), name)

    def answer(self, **answers):
        vars(self).update(answers, complete=True)
        return self


class Finder(MetaPathFinder, Loader):
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name == NAME else None

    def create_module(self, spec):
        return Unloaded(spec.name)

    def exec_module(self, module):
        module.answer(
            disable=lambda function, *_, **__: function,
            graph_break=lambda *_, **__: None,
            allow_in_graph=lambda function: function,
            set_stance=lambda *_, **__: nullcontext(),
            utils=Unloaded(f"{NAME}.utils").answer(get_optimize_ddp_mode=lambda: "ddp_optimizer"),
            trace_rules=Unloaded(f"{NAME}.trace_rules").answer(clear_lru_cache=lambda: None),
        )


FINDER = Finder()
# FSDP2 is made with it, and workers of pytest, which read what they are to do, run tests of all kinds
if not any(word in given for given in sys.orig_argv for word in ("shard", "sys.stdin.readline")):
    sys.meta_path.insert(0, FINDER)
