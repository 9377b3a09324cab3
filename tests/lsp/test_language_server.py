"""`archspec lsp` through the protocol: one server, which a client of pygls talks to as an editor does."""

import asyncio
import sys
from pathlib import Path

import pytest

pytest.importorskip("pygls", reason="the language server needs the extra `lsp`")

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from archspec.loading import zoo

NET = """archspec: 1
input: {size: 32}
classes: 10
args: {width: 16}
blocks:
  mine:
    args: {width: int}
    body:
      - conv1: {conv: {out: width, kernel: 3}}
stem:
  - conv1: {conv: {out: width, kernel: 3}}
stages:
  - {name: layer1, block: mine, width: 16, repeat: 2}
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
"""


class Editor:
    """What an editor does, one request after the other."""

    def __init__(self, loop):
        self.loop, self.client, self.shown = loop, LanguageClient("tests", "1"), []
        self.said, self.versions = {}, {}
        self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda params: self._published(params))
        self.client.feature(lsp.WINDOW_SHOW_MESSAGE)(lambda params: self.shown.append(params.message))

    def _published(self, params):
        self.said[params.uri, params.version] = list(params.diagnostics)

    def run(self, awaitable):
        return self.loop.run_until_complete(asyncio.wait_for(awaitable, 60))

    def start(self):
        self.run(self.client.start_io(sys.executable, "-m", "archspec_cli", "lsp"))
        return self.run(
            self.client.initialize_async(
                lsp.InitializeParams(capabilities=lsp.ClientCapabilities(), process_id=None)
            )
        )

    def stop(self):
        self.run(self.client.shutdown_async(None))
        self.client.exit(None)
        self.run(self.client.stop())

    def open(self, path, text):
        uri = path if isinstance(path, str) else path.as_uri()
        self.versions[uri] = max(self.versions.values(), default=0) + 1
        item = lsp.TextDocumentItem(uri, "yaml", self.versions[uri], text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return uri

    def change(self, uri, text, start=None, end=None):
        self.versions[uri] += 1
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        change = whole if start is None else lsp.TextDocumentContentChangePartial(lsp.Range(start, end), text)
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(lsp.VersionedTextDocumentIdentifier(self.versions[uri], uri), [change])
        )

    def close(self, uri):
        self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(uri)))

    def diagnostics(self, uri):
        wanted = uri, self.versions[uri]

        async def wait():
            while wanted not in self.said:
                await asyncio.sleep(0.01)

        self.run(wait())
        return self.said[wanted]

    def ask(self, name, params):
        return self.run(getattr(self.client, f"{name}_async")(params))


@pytest.fixture(scope="module")
def editor():
    loop = asyncio.new_event_loop()
    editor = Editor(loop)
    editor.capabilities = editor.start().capabilities
    yield editor
    editor.stop()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def place(text, word):
    before = text[: text.index(word) + 1]
    line = before.count("\n")
    return lsp.Position(line, len(before[before.rfind("\n") + 1 :].encode("utf-16-le")) // 2)


def document(uri):
    return lsp.TextDocumentIdentifier(uri)


def applied(text, edits):
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
    for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
        start, end = (starts[p.line] + p.character for p in (edit.range.start, edit.range.end))
        text = text[:start] + edit.new_text + text[end:]
    return text


def test_a_mistake_is_shown_fixed_and_gone(editor, tmp_path):
    text = NET.replace("kernel: 3}}\nstages", "kernl: 3}}\nstages")
    uri = editor.open(tmp_path / "net.yaml", text)
    found = {d.code: d for d in editor.diagnostics(uri)}
    mistake = found["AS303"] if "AS303" in found else next(iter(found.values()))
    assert mistake.severity == lsp.DiagnosticSeverity.Error
    assert mistake.range.start.line == text.splitlines().index("  - conv1: {conv: {out: width, kernl: 3}}")
    actions = editor.ask(
        "text_document_code_action",
        lsp.CodeActionParams(document(uri), mistake.range, lsp.CodeActionContext([mistake])),
    )
    assert [action.title for action in actions] == ["write `kernel`"]
    (edits,) = actions[0].edit.changes.values()
    assert applied(text, edits) == NET
    editor.change(uri, NET)
    assert editor.diagnostics(uri) == []
    editor.close(uri)


def test_fixes_are_those_of_the_text_as_it_is_before_its_mistakes_are_told(editor, tmp_path):
    """An editor asks at once after an edit; those of presets come when the keyboard has rested."""
    text = NET.replace("stages:", "presets: {wide: {widht: 32}}\nstages:")

    def titles(word):
        at = place(editor.text, word)
        asked = lsp.CodeActionParams(document(uri), lsp.Range(at, at), lsp.CodeActionContext([]))
        actions = editor.ask("text_document_code_action", asked) or []
        for action in actions:
            (edits,) = action.edit.changes.values()
            assert applied(editor.text, edits) != editor.text
        return [action.title for action in actions]

    uri = editor.open(tmp_path / "net.yaml", NET)
    assert editor.diagnostics(uri) == []
    editor.text = text.replace("stem:", "# one line more\nstem:").replace(
        "kernel: 3}}\npresets", "kernl: 3}}\npresets"
    )
    editor.change(uri, editor.text)
    assert titles("kernl") == ["write `kernel`"]
    assert {d.code for d in editor.diagnostics(uri)} == {"AS109", "AS303"}
    assert titles("widht") == ["write `width`"]
    assert titles("kernl") == ["write `kernel`"]
    editor.close(uri)


def test_warnings_are_warnings(editor, tmp_path):
    uri = editor.open(tmp_path / "net.yaml", NET.replace("args: {width: 16}", "args: {width: 16, idle: 3}"))
    assert {d.severity for d in editor.diagnostics(uri)} == {lsp.DiagnosticSeverity.Warning}
    editor.close(uri)


def test_a_step_says_its_shape_and_cost(editor, tmp_path):
    uri = editor.open(tmp_path / "net.yaml", NET)
    said = editor.ask(
        "text_document_hover",
        lsp.HoverParams(document(uri), place(NET, "conv1: {conv: {out: width, kernel: 3}}\nstages")),
    ).contents.value
    for part in (
        "3x32x32 → **16x32x32**",
        "parameters: 432",
        "multiply-adds: 442,368",
        "receptive field: 3 x 3",
        "kernel",
    ):
        assert part in said
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(99, 0))
    hints = editor.ask("text_document_inlay_hint", lsp.InlayHintParams(document(uri), whole))
    assert [hint.label for hint in hints if hint.position.line == 10] == ["16×32×32 · 432 params · 442k MACs"]
    assert {hint.position.line for hint in hints} == {8, 10, 12, 13}
    editor.close(uri)


def test_completion_answers_while_the_line_is_half_typed(editor, tmp_path):
    text = NET.replace("stem:\n", "stem:\n  - {conv0: {con")
    uri = editor.open(tmp_path / "net.yaml", text)
    at = lsp.Position(10, len("  - {conv0: {con"))
    found = editor.ask("text_document_completion", lsp.CompletionParams(document(uri), at)).items
    conv = next(item for item in found if item.label == "conv")
    assert conv.text_edit.new_text == "conv: "
    assert "convolution" in conv.documentation.value
    editor.close(uri)


def test_definitions_uses_and_renaming_go_across_unsaved_specs(editor, tmp_path):
    base = editor.open(tmp_path / "base.yaml", NET)
    text = "archspec: 1\nextends: base.yaml\nstages: {layer1: {width: 8}}\n"
    child = editor.open(tmp_path / "child.yaml", text)
    assert editor.diagnostics(child) == []
    at = place(text, "layer1")
    (found,) = editor.ask("text_document_definition", lsp.DefinitionParams(document(child), at))
    assert (found.uri, found.range.start.line) == (base, 12)
    uses = editor.ask(
        "text_document_references", lsp.ReferenceParams(lsp.ReferenceContext(True), document(child), at)
    )
    assert {use.uri for use in uses} == {base, child}
    edit = editor.ask("text_document_rename", lsp.RenameParams(document(child), at, "trunk"))
    assert applied(text, edit.changes[child]) == text.replace("layer1", "trunk")
    assert applied(NET, edit.changes[base]) == NET.replace("layer1", "trunk")
    assert any("layer1.0.conv1.weight becomes trunk.0.conv1.weight" in message for message in editor.shown)
    editor.close(child)
    editor.close(base)


def test_names_of_the_zoo_are_refused_with_a_reason(editor, tmp_path):
    text = "archspec: 1\nextends: resnet18\nstages: {layer1: {width: 8}}\n"
    uri = editor.open(tmp_path / "net.yaml", text)
    with pytest.raises(JsonRpcException, match=r"resnet18\.yaml, which comes with archspec"):
        editor.ask("text_document_rename", lsp.RenameParams(document(uri), place(text, "layer1"), "x"))
    (found,) = editor.ask("text_document_definition", lsp.DefinitionParams(document(uri), place(text, "layer1")))
    assert found.uri.endswith("resnet18.yaml")
    editor.close(uri)


def test_an_edit_counts_in_utf_16_and_lines_end_as_they_do(editor, tmp_path):
    text = "archspec: 1\r\nextends: resnet18\r\ndoc: \U0001f600é {x\r\n"
    uri = editor.open(tmp_path / "net.yaml", text)
    editor.change(uri, "\U0001f600x\r\nclases: 10\r\n", lsp.Position(2, 8), lsp.Position(3, 0))
    (found,) = editor.diagnostics(uri)
    assert (found.range.start.line, found.range.start.character) == (3, 0)
    editor.change(uri, "clas", lsp.Position(3, 0), lsp.Position(3, 4))
    assert editor.diagnostics(uri)[0].range.start.line == 3
    editor.change(uri, "s", lsp.Position(3, 4), lsp.Position(3, 4))
    assert editor.diagnostics(uri) == []
    editor.close(uri)


def test_tabs_are_told_where_they_stand(editor, tmp_path):
    uri = editor.open(tmp_path / "net.yaml", "archspec: 1\nextends: resnet18\ntrain:\n\tsteps: 3\n")
    (found,) = editor.diagnostics(uri)
    assert (found.code, found.range.start) == ("AS002", lsp.Position(3, 0))
    editor.close(uri)


def test_the_outline_and_white_space(editor, tmp_path):
    text = NET.replace("{size: 32}", "{ size: 32 }  ")
    uri = editor.open(tmp_path / "net.yaml", text)
    outline = editor.ask("text_document_document_symbol", lsp.DocumentSymbolParams(document(uri)))
    assert {"stem", "stages", "blocks"} <= {entry.name for entry in outline}
    edits = editor.ask(
        "text_document_formatting",
        lsp.DocumentFormattingParams(document(uri), lsp.FormattingOptions(tab_size=2, insert_spaces=True)),
    )
    assert applied(text, edits) == NET
    editor.close(uri)


def test_a_spec_that_was_never_saved_and_files_that_are_none(editor, tmp_path):
    uri = editor.open("untitled:Untitled-1", "archspec: 1\nextends: resnet18\nclasses: ten\n")
    assert len(editor.diagnostics(uri)) == 1
    editor.close(uri)
    uri = editor.open(tmp_path / "compose.yaml", "services: {web: {image: x}}\n")
    assert editor.diagnostics(uri) == []
    editor.close(uri)


def test_the_file_of_the_zoo_can_be_read_where_it_is(editor):
    path = Path(zoo.folder()).resolve() / "resnet18.yaml"
    uri = editor.open(path, path.read_text())
    assert editor.diagnostics(uri) == []
    editor.close(uri)
