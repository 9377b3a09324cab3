"""From a path or a zoo name to one document: reading, `extends`, presets and overrides."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from archspec.diagnostics import Diagnostics, Related, Source, Span
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.language import Spec
from archspec.language.spec import is_other_language, other_version
from archspec.loading import zoo
from archspec.loading.document import FILE_NAME, Document
from archspec.loading.given_text import PLACE, TEXT, is_text
from archspec.loading.holes import tell_holes
from archspec.loading.misspelt_declarations import respelt
from archspec.loading.misspelt_keys import mend_keys
from archspec.loading.overlay import overlay
from archspec.loading.overrides import override, place_of_override, without_expectations
from archspec.loading.preset_tables import with_preset_table
from archspec.syntax.drafts import is_file
from archspec.syntax.nodes import MAX_DEPTH, Node, node_of
from archspec.syntax.reader import read_file, read_text


def load_document(
    spec: str | Path,
    overrides: Mapping[str, object],
    preset: str | None,
    include: Sequence[Path],
    problems: Diagnostics,
    misspelt: Mapping[str, str] | None = None,
) -> Document | None:
    """Read a spec by path, name or text with everything it extends, then apply the preset and the overrides.

    Mistakes are recorded. `misspelt` are arguments that are read under another name than that of their declaration.
    """
    text = str(spec) if is_text(str(spec)) else None
    path, preset, display = _find(str(spec), preset, problems) if text is None else (PLACE, preset, TEXT)
    if path is None:
        return None
    allowed = [path.resolve().parent, zoo.folder().resolve(), *(p.resolve() for p in include)]
    root = _read_chain(path, display, allowed, problems, [], text)
    if root is None:
        return None
    root = respelt(root, misspelt or {}, problems)
    presets = root.get("presets")
    others = _with_presets(root, presets, preset, problems) if presets else ()
    for name in preset.split(":") if preset is not None else ():
        chosen = presets.get(name) if presets else None
        if chosen is None:
            known = [k for k, _ in presets.items()] if presets else []
            help_ = did_you_mean(name, known) or (
                f"there are {', '.join(known)}" if known else "this spec has no presets"
            )
            problems.add(
                "AS108", f"`{display}` has no preset `{name}`", presets.span if presets else root.span, help_
            )
            return None
        root = _with_preset(_named(root, name, path), name, chosen, problems)
    for key, raw in overrides.items():
        value = raw if isinstance(raw, Node) else node_of(raw, place_of_override(key, raw), "--set")
        root = override(root, key, value, value.span, problems)
    return Document(root, display, preset, others)


def _named(root: Node, preset: str, path: Path) -> Node:
    """A spec with the name of its preset, where that is called after the file: a net of a family."""
    if not preset.startswith(path.stem) or not isinstance(root.value, dict):
        return root
    name = Node(preset, root.key_span("name"), origin=f"preset {preset}")
    return Node({**root.value, "name": name}, root.span, root.keys, root.size, root.origin)


def _with_preset(root: Node, name: str, preset: Node, problems: Diagnostics) -> Node:
    if any(_is_expectation(key) for key, _ in preset.items()):
        root = without_expectations(root)
    before = len(problems)
    for key, value in sorted(preset.items(), key=lambda item: _is_expectation(item[0])):
        if _is_expectation(key) and len(problems) > before:
            break  # a net without what could not be set is not the one that was counted
        root = override(root, key, _marked(value, f"preset {name}"), preset.key_span(key), problems)
    return root


def _marked(node: Node, origin: str) -> Node:
    """A value and what it holds by name, with who set it."""
    value = {key: _marked(inner, origin) for key, inner in node.items()} or node.value
    return Node(value, node.span, node.keys, node.size, origin)


def _is_expectation(key: str) -> bool:
    return key.partition(".")[0] == "expect"


def _with_presets(root: Node, presets: Node, chosen: str | None, problems: Diagnostics) -> tuple[Node, ...]:
    """The spec with each preset of its own file where none is chosen; without those that set nothing but arguments."""
    args = root.get("args")
    arguments = {key for key, _ in args.items()} if args is not None else set()
    found = [
        (preset, _with_preset(root, name, preset, problems))
        for name, preset in presets.items()
        if name not in (chosen or "").split(":") and presets.key_span(name).source is root.span.source
    ]
    return tuple(other for preset, other in found if not arguments.issuperset(key for key, _ in preset.items()))


def _find(spec: str, preset: str | None, problems: Diagnostics) -> tuple[Path | None, str | None, str]:
    path = Path(spec)
    if is_file(spec):  # which a name that no file can have is not
        return path, preset, spec
    stem, colon, chosen = spec.partition(":")
    if chosen and preset and (is_file(stem) or zoo.find(stem)):
        message = f"`{spec}` names the preset `{chosen}`, and the preset `{preset}` is asked for beside it"
        problems.add("AS108", message, _nowhere(spec), "name one of them")
        return None, None, spec
    if colon and not preset and is_file(stem):
        return Path(stem), chosen, stem
    if found := zoo.find(stem):
        return found, chosen or preset, f"specs/{found.name}"
    if member := zoo.member(stem):
        found, name = member
        return found, ":".join(filter(None, (name, chosen, preset))), f"specs/{found.name}"
    beside = next((f"{spec}{suffix}" for suffix in (".yaml", ".yml") if is_file(f"{spec}{suffix}")), None)
    ours = zoo.find(path.stem) if not os.path.exists(spec) and path.suffix in (".yaml", ".yml") else None
    if beside is not None or ours is not None:
        help_ = (
            f"did you mean `{beside}`?"
            if beside
            else f"the spec of that name that comes with archspec is `{path.stem}`"
        )
        problems.add(
            "AS110", f"there is no file{'' if ours else ' and no zoo spec'} `{spec}`", _nowhere(spec), help_
        )
        return None, None, spec
    if "/" in spec or spec.endswith((".yaml", ".yml")) or os.path.exists(spec):
        return path, preset, spec
    help_ = did_you_mean(stem, [*zoo.names(), *zoo.members()]) or "see `archspec list`; a file ends in .yaml"
    problems.add("AS110", f"there is no file and no zoo spec `{spec}`", _nowhere(spec), help_)
    return None, None, spec


def _nowhere(spec: str) -> Span:
    return Span(Source(spec, "", virtual=True))


def _read_chain(
    path: Path, display: str, allowed: list[Path], problems: Diagnostics, chain: list[tuple[Path, Span]],
    text: str | None = None,
) -> Node | None:  # fmt: skip
    node = read_file(path, display, problems) if text is None else read_text(text, display, problems)
    if node is None:
        return None
    version = node.get("archspec")
    if version is not None and is_other_language(version.value):
        # what else there is to say of it may be right in that language
        message, help_ = other_version(version.value)
        problems.add("AS105", f"`archspec`: {message}", version.span, help_)
        return None
    if tell_holes(node, problems):
        return None
    node = mend_keys(with_preset_table(node, problems), Spec, problems)
    if node.get("name") is None and isinstance(node.value, dict):
        # a spec that does not say its name has that of its file, also where the one it extends has another
        name = Node(path.stem, node.span, origin=FILE_NAME)
        node = Node({**node.value, "name": name, "class_name": node.get("class_name") or Node(None, node.span)},
                    node.span, node.keys, node.size)  # fmt: skip
    extends = node.get("extends")
    if extends is None:
        return node
    if not isinstance(extends.value, str):
        problems.add("AS103", "`extends` is the name of a zoo spec or the path of a file", extends.span,
                     "such as `extends: resnet18`, or `extends: base.yaml`")  # fmt: skip
        return None
    base, base_display, member = _base_path(path, extends.value, display)
    chain = [*chain, (path.resolve(), extends.span)]
    if base is not None and (reason := _closed(base)) is not None:
        message = f"cannot read `{extends.value}`: {reason}"
        problems.add("AS001", message, extends.span, "check the path and its permissions")
        return None
    if base is None or not is_file(base):
        names = [*zoo.names(), *zoo.members()]
        help_ = did_you_mean(extends.value, names) or "a file is given relative to this one and ends in .yaml"
        fix = respelling(extends.span, extends.value, names)
        problems.add("AS110", f"there is no spec `{extends.value}`", extends.span, help_, fix=fix)
        return None
    resolved = base.resolve()
    if resolved in [p for p, _ in chain]:
        circle = " > ".join([*(p.name for p, _ in chain), resolved.name])
        related = [Related("which is extended here", span) for _, span in chain[-2::-1]]
        problems.add(
            "AS111", f"specs extend each other in a circle: {circle}", extends.span, "take one out", related
        )
        return None
    if len(chain) >= MAX_DEPTH:
        message = f"more than {MAX_DEPTH} specs extend one another"
        problems.add("AS005", message, extends.span, "extend a spec that is nearer to the first of them")
        return None
    if not any(resolved.is_relative_to(root) for root in allowed):
        problems.add("AS112", f"`{extends.value}` is outside the spec's folder", extends.span,
                     "copy it here, or allow its folder with `--include`")  # fmt: skip
        return None
    problems.extended[base_display] = extends.span
    parent = _read_chain(base, base_display, allowed, problems, chain)
    presets = parent.get("presets") if parent is not None and member else None
    if parent is not None and presets is not None and (preset := presets.get(member)) is not None:
        parent = _with_preset(_named(parent, member, base), member, preset, problems)
    if parent is None:
        return None
    parent, node = _presets_handed_on(without_expectations(parent), node)
    return overlay(parent, node, problems)


def _presets_handed_on(parent: Node, child: Node) -> tuple[Node, Node]:
    """Both without the presets of the parent that are `null` in the child; those that stay expect nothing, as of another net."""
    given, own = parent.get("presets"), child.get("presets")
    if given is None or not isinstance(given.value, dict):
        return parent, child
    dropped = {name for name, preset in own.items() if preset.value is None} if own is not None else set()
    dropped &= given.value.keys()
    kept = {name: _expecting_nothing(preset) for name, preset in given.items() if name not in dropped}
    parent = _with(parent, "presets", _of(given, kept))
    if own is not None and dropped:
        child = _with(child, "presets", _of(own, {name: one for name, one in own.items() if name not in dropped}))
    return parent, child


def _expecting_nothing(preset: Node) -> Node:
    if not isinstance(preset.value, dict):
        return preset
    return _of(preset, {key: value for key, value in preset.items() if not _is_expectation(key)})


def _with(root: Node, key: str, value: Node) -> Node:
    return _of(root, {**dict(root.items()), key: value})


def _of(node: Node, values: dict[str, Node]) -> Node:
    """A mapping with other entries at the same place."""
    return Node(values, node.span, node.keys, node.size, node.origin)


def _closed(path: Path) -> str | None:
    """Why it cannot be told whether there is such a file; None where it can."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        return error.strerror
    return None


def _base_path(path: Path, name: str, display: str) -> tuple[Path | None, str, str]:
    """The file that a spec extends, how messages call it, and the preset of a family's net, empty for others."""
    if name.endswith((".yaml", ".yml")):
        return path.parent / name, os.path.normpath(Path(display).parent / name), ""
    found, member = (zoo.find(name), "") if zoo.find(name) else zoo.member(name) or (None, "")
    return found, f"specs/{found.name if found else name}", member
