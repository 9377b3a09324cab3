"""What Python can tell of emitted source without running it: its syntax, the names in it, the arguments of its classes."""

from __future__ import annotations

import ast
import builtins
import symtable
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from archspec.diagnostics import Diagnostic, SpecError

PREDEFINED = frozenset({*dir(builtins), "__file__", "__name__", "__doc__", "__spec__"})


class Fault(NamedTuple):
    """What is wrong with a line, counted from 1."""

    line: int
    what: str


def check_files(name: str, backend: str, files: Mapping[str, str | bytes]) -> None:
    """Look at the modules of a net's folder; those of packages beside them stand elsewhere. Raises SpecError (AS704)."""
    for file, text in files.items():
        if file.endswith(".py") and "/" not in file:
            check_source(name, backend, file, text.decode() if isinstance(text, bytes) else text)


def check_source(name: str, backend: str, file: str, text: str) -> None:
    """Look at the text of a module that was written for the net of this name. Raises SpecError (AS704)."""
    found = faults(text)
    if found:
        raise broken(name, backend, f"line {found[0].line} of {file}: {found[0].what}")


def check_running(name: str, backend: str, file: str, run: Callable[[], object]) -> None:
    """Run what was made of the net of this name and `file`. Raises SpecError (AS704) with the line where that fails."""
    try:
        run()
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f"line {lines[-1]} of {file}: " if lines else ""
        raise broken(name, backend, f"{where}{type(error).__name__}: {error}") from error


def broken(name: str, backend: str, what: str) -> SpecError:
    """That source does not run, which is no fault of the spec's."""
    message = f"the source that the backend `{backend}` makes of `{name}` does not run: {what}"
    help_ = "this is a fault of the backend and not of the spec, and nothing was written: please report it with the spec"
    return SpecError([Diagnostic("AS704", message, None, help_)])


def faults(text: str) -> list[Fault]:
    """All that is wrong with the text of a module, in order; of syntax the first."""
    try:
        tree = ast.parse(text)
        compile(tree, "<emitted>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = error.lineno or 1 if isinstance(error, SyntaxError) else 1
        return [Fault(line, error.msg if isinstance(error, SyntaxError) else str(error))]
    table = symtable.symtable(text, "<emitted>", "exec")
    nodes = list(ast.walk(tree))
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes):
        return []  # which names there are is not known
    known = {*PREDEFINED, *_bound(table)}
    undefined = {*_undefined(table, known), *_undefined_types(nodes, known)}
    found = [Fault(_line(nodes, name), f"`{name}` is not defined") for name in undefined]
    return sorted([*found, *_twice(tree), *_misfits(tree, nodes)])


def rebound(text: str) -> set[str]:
    """The names that the top of a module binds more than once."""
    counts = Counter(name for node in ast.parse(text).body for name in _made(node))
    return {name for name, count in counts.items() if count > 1}


def _made(node: ast.stmt) -> Iterator[str]:
    """The names that a statement binds: those of an import, a class, a function or an assignment."""
    match node:
        case ast.Import() | ast.ImportFrom():
            names = (alias.asname or alias.name for alias in node.names)
            yield from (name for name in names if "." not in name)  # `import a.b` is no other `a` than `import a`
        case ast.ClassDef() | ast.FunctionDef():
            yield node.name
        case ast.Assign():
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _bound(table: symtable.SymbolTable) -> Iterator[str]:
    """The names that a module binds, and those that its functions declare global."""
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            yield symbol.get_name()
    for inner in table.get_children():
        yield from (s.get_name() for s in inner.get_symbols() if s.is_declared_global() and s.is_assigned())


def _undefined(table: symtable.SymbolTable, known: Collection[str]) -> Iterator[str]:
    """The names that a scope, or one inside of it, takes from the module and that it has not."""
    for symbol in table.get_symbols():
        outer = symbol.is_global() or table.get_type() == "module"
        if outer and symbol.is_referenced() and symbol.get_name() not in known:
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _undefined(inner, known)


def _undefined_types(nodes: Sequence[ast.AST], known: Collection[str]) -> Iterator[str]:
    """The names in annotations, which Python does not look up."""
    for node in nodes:
        if isinstance(node, ast.arg | ast.AnnAssign):
            annotation = node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            annotation = node.returns
        else:
            continue
        for part in ast.walk(annotation) if annotation is not None else ():
            if isinstance(part, ast.Name) and part.id not in known:
                yield part.id


def _line(nodes: Sequence[ast.AST], name: str) -> int:
    return min((n.lineno for n in nodes if isinstance(n, ast.Name) and n.id == name), default=1)


def _twice(tree: ast.Module) -> Iterator[Fault]:
    """Classes and imports of a module that something else of their name hides, or is hidden by."""
    counts = Counter(name for node in tree.body for name in _made(node))
    for node in tree.body:
        for name in _made(node) if isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef) else ():
            if counts[name] > 1:
                yield Fault(node.lineno, f"`{name}` is defined {counts[name]} times")


def _misfits(tree: ast.Module, nodes: Sequence[ast.AST]) -> Iterator[Fault]:
    """Where a class of the module is given arguments that its constructor does not take, or not all that it needs."""
    constructors = {
        node.name: next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    for node in nodes:
        made = (
            constructors.get(node.func.id)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            else None
        )
        if made is not None and isinstance(node, ast.Call) and (what := _misfit(node, made.args)):
            yield Fault(node.lineno, what)


def _misfit(call: ast.Call, takes: ast.arguments) -> str | None:
    given = {keyword.arg for keyword in call.keywords}
    if None in given or any(isinstance(a, ast.Starred) for a in call.args) or takes.vararg or takes.kwarg:
        return None
    places = [a.arg for a in [*takes.posonlyargs, *takes.args][1:]]
    optional = {*places[len(places) - len(takes.defaults) :]} if takes.defaults else set()
    optional |= {
        a.arg for a, default in zip(takes.kwonlyargs, takes.kw_defaults, strict=True) if default is not None
    }
    names = [*places, *(a.arg for a in takes.kwonlyargs)]
    called = ast.unparse(call.func)
    if len(call.args) > len(places):
        return f"`{called}` takes {len(places)} arguments by place, and is given {len(call.args)}"
    for name in sorted(name for name in given if name is not None and name not in names):
        return f"`{called}` has no argument `{name}`"
    for name in names:
        by_place = name in places[: len(call.args)]
        if by_place and name in given:
            return f"`{called}` is given `{name}` twice"
        if not by_place and name not in given and name not in optional:
            return f"`{called}` is not given `{name}`"
    return None
