"""The server: what an editor asks, by the service's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from archspec.service import names
from archspec.service.completion import complete
from archspec.service.document import Document, Workspace
from archspec.service.formatting import edits
from archspec.service.hints import hints
from archspec.service.hover import hover
from archspec.service.outline import Entry, outline
from archspec.version import __version__
from archspec_lsp.convert import COMPLETIONS, SYMBOLS, Places, path_of, uri_of

QUIET = 0.2
"""Seconds without a keystroke after which mistakes are looked for; other answers do not wait."""


def serve(include: Sequence[Path] = ()) -> None:
    """Serve one editor on the standard streams until it leaves."""
    Server(include).io.start_io()


class Server:
    """One editor, and what it has open."""

    def __init__(self, include: Sequence[Path] = ()) -> None:
        self.io = LanguageServer("archspec", __version__)
        self.workspace = Workspace(tuple(include))
        self.uris: dict[Path, str] = {}
        self.versions: dict[Path, int] = {}
        self.waiting: asyncio.TimerHandle | None = None
        for method, answer, options in (
            (lsp.TEXT_DOCUMENT_DID_OPEN, self.did_open, None),
            (lsp.TEXT_DOCUMENT_DID_CHANGE, self.did_change, None),
            (lsp.TEXT_DOCUMENT_DID_CLOSE, self.did_close, None),
            (lsp.TEXT_DOCUMENT_DID_SAVE, self.did_save, None),
            (lsp.TEXT_DOCUMENT_HOVER, self.hover, None),
            (lsp.TEXT_DOCUMENT_COMPLETION, self.completion,
             lsp.CompletionOptions(trigger_characters=["$", "{", ".", " "])),
            (lsp.TEXT_DOCUMENT_INLAY_HINT, self.inlay_hint, None),
            (lsp.TEXT_DOCUMENT_DEFINITION, self.definition, None),
            (lsp.TEXT_DOCUMENT_REFERENCES, self.references, None),
            (lsp.TEXT_DOCUMENT_PREPARE_RENAME, self.prepare_rename, None),
            (lsp.TEXT_DOCUMENT_RENAME, self.rename, lsp.RenameOptions(prepare_provider=True)),
            (lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, self.document_symbol, None),
            (lsp.TEXT_DOCUMENT_FORMATTING, self.formatting, None),
            (lsp.TEXT_DOCUMENT_CODE_ACTION, self.code_action,
             lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])),
        ):  # fmt: skip
            self.io.feature(method, options)(_function(answer))

    @property
    def places(self) -> Places:
        """Positions as this editor counts them."""
        return Places(str(getattr(self.io.workspace.position_encoding, "value", "utf-16")))

    def document(self, uri: str) -> Document:
        """A document that is open."""
        found = self.workspace.document(path_of(uri))
        if found is None:
            raise JsonRpcInvalidParams(f"{uri} is not open")
        return found

    # --- what the editor does --------------------------------------------------------------------------

    def did_open(self, params: lsp.DidOpenTextDocumentParams) -> None:
        """Take a document, and say what is wrong with it."""
        given = params.text_document
        document = self.workspace.open(path_of(given.uri), given.text)
        self.uris[document.path], self.versions[document.path] = given.uri, given.version
        self.publish()

    def did_change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """Take edits; mistakes are looked for when no more come."""
        document, places = self.document(params.text_document.uri), self.places
        for change in params.content_changes:
            if isinstance(change, lsp.TextDocumentContentChangePartial):
                start = places.offset(document.text, change.range.start)
                end = places.offset(document.text, change.range.end)
                document.replace(document.text.text[:start] + change.text + document.text.text[end:])
            else:
                document.replace(change.text)
        self.versions[document.path] = params.text_document.version
        if self.waiting is not None:
            self.waiting.cancel()
        self.waiting = asyncio.get_running_loop().call_later(QUIET, self.publish)

    def did_save(self, params: lsp.DidSaveTextDocumentParams) -> None:
        """Look anew: files beside it may have changed as well."""
        self.workspace.changed()
        self.publish()

    def did_close(self, params: lsp.DidCloseTextDocumentParams) -> None:
        """Leave a document, and take back what was said of it."""
        uri = params.text_document.uri
        self.uris.pop(self.document(uri).path, None)
        self.workspace.close(path_of(uri))
        self.io.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    def publish(self) -> None:
        """Say what is wrong with every document that is open and was not looked at since the last edit."""
        for path, uri in self.uris.items():
            document = self.workspace.documents[path]
            found = [self.places.diagnostic(document, each) for each in document.diagnostics()]
            self.io.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found, self.versions[path]))

    # --- what it asks ----------------------------------------------------------------------------------

    def at(self, given: lsp.TextDocumentIdentifier, position: lsp.Position) -> tuple[Document, int]:
        """The document and the offset that a request is about."""
        document = self.document(given.uri)
        return document, self.places.offset(document.text, position)

    def hover(self, params: lsp.HoverParams) -> lsp.Hover | None:
        """What is at a place."""
        document, offset = self.at(params.text_document, params.position)
        found = hover(document, offset)
        if found is None:
            return None
        place = self.places.range(document.text, *document.offsets(found.word.span))
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, found.text), place)

    def completion(self, params: lsp.CompletionParams) -> lsp.CompletionList:
        """What may stand at a place."""
        document, offset = self.at(params.text_document, params.position)
        found = complete(document, offset)
        place = self.places.range(document.text, found.start, found.end)
        items = [
            lsp.CompletionItem(
                item.label,
                kind=COMPLETIONS[item.sort],
                detail=item.detail or None,
                documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, item.doc) if item.doc else None,
                sort_text=f"{number:04}",
                text_edit=lsp.TextEdit(place, f"{item.label}: " if item.is_key else item.label),
            )
            for number, item in enumerate(found.items)
        ]
        return lsp.CompletionList(is_incomplete=False, items=items)

    def inlay_hint(self, params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
        """Shapes and costs of the lines that are shown."""
        document, places = self.document(params.text_document.uri), self.places
        start, end = (places.offset(document.text, at) for at in (params.range.start, params.range.end))
        return [
            lsp.InlayHint(
                places.position(document.text, hint.offset), hint.text, tooltip=hint.full, padding_left=True
            )
            for hint in hints(document, start, end)
        ]

    def definition(self, params: lsp.DefinitionParams) -> list[lsp.Location]:
        """Where a name is declared."""
        document, offset = self.at(params.text_document, params.position)
        return [
            lsp.Location(self.uri(target.path), self.places.range(target.text, target.start, target.end))
            for target in names.definition(document, offset)
        ]

    def references(self, params: lsp.ReferenceParams) -> list[lsp.Location]:
        """Where a name stands."""
        document, offset = self.at(params.text_document, params.position)
        return [
            lsp.Location(self.uri(use.document.path), self.places.range(use.document.text, use.start, use.end))
            for use in names.uses(document, offset)
            if params.context.include_declaration or not use.defines
        ]

    def prepare_rename(self, params: lsp.PrepareRenameParams) -> lsp.Range:
        """Where the name stands that would be changed."""
        document, offset = self.at(params.text_document, params.position)
        try:
            _, found = names.renamable(document, offset)
        except names.RefusedError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        here = next(use for use in found if use.document is document and use.start <= offset <= use.end)
        return self.places.range(document.text, here.start, here.end)

    def rename(self, params: lsp.RenameParams) -> lsp.WorkspaceEdit:
        """Change a name everywhere, and say which keys of checkpoints change with it."""
        document, offset = self.at(params.text_document, params.position)
        try:
            renaming = names.rename(document, offset, params.new_name)
        except names.RefusedError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        if renaming.note:
            self.io.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Info, f"archspec: {renaming.note}"))
        changes = dict[str, list[lsp.TextEdit]]()
        for path, changed in renaming.edits.items():
            other = self.workspace.document(path)
            if other is not None:
                changes[self.uri(path)] = [self.places.edit(other.text, edit) for edit in changed]
        return lsp.WorkspaceEdit(changes=changes)

    def document_symbol(self, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        """The outline."""
        document = self.document(params.text_document.uri)
        return [self.symbol(document, entry) for entry in outline(document)]

    def symbol(self, document: Document, entry: Entry) -> lsp.DocumentSymbol:
        """An entry of the outline with those below it."""
        return lsp.DocumentSymbol(
            entry.name,
            SYMBOLS[entry.sort],
            self.places.range(document.text, *entry.whole),
            self.places.range(document.text, *entry.place),
            detail=entry.detail or None,
            children=[self.symbol(document, below) for below in entry.below],
        )

    def formatting(self, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        """The edits that put white space in order; none for what is no spec."""
        document = self.document(params.text_document.uri)
        found = edits(document.text.text) if document.is_spec else []
        return [self.places.edit(document.text, edit) for edit in found]

    def code_action(self, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        """The fixes of the mistakes in a range."""
        document, places = self.document(params.text_document.uri), self.places
        start, end = (places.offset(document.text, at) for at in (params.range.start, params.range.end))
        actions = []
        for found in document.diagnostics(presets=False):
            if found.fix is None or any(edit.span.source.name != document.name for edit in found.fix.edits):
                continue
            first, last = document.offsets(found.span) if found.span is not None else (0, 0)
            if first > end or last < start:
                continue
            changed = [
                lsp.TextEdit(places.range(document.text, *document.offsets(edit.span)), edit.text)
                for edit in found.fix.edits
            ]
            actions.append(
                lsp.CodeAction(
                    found.fix.title,
                    kind=lsp.CodeActionKind.QuickFix,
                    diagnostics=[places.diagnostic(document, found)],
                    is_preferred=True,
                    edit=lsp.WorkspaceEdit(changes={params.text_document.uri: changed}),
                )
            )
        return actions

    def uri(self, path: Path) -> str:
        """The address of a file, as the editor called it where it is open."""
        with suppress(KeyError):
            return self.uris[path.resolve()]
        return uri_of(path)


def _function(method: Callable[..., Any]) -> Callable[[Any], Any]:
    """A method as a function, on which pygls can note what it needs."""

    def answer(params: Any) -> Any:
        return method(params)

    return answer
