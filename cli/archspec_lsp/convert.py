"""Between the service and the protocol: places, diagnostics, kinds."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from lsprotocol import types as lsp
from pygls import uris

from archspec.diagnostics import Diagnostic, Span
from archspec.diagnostics.printable import printable, printable_lines
from archspec.service.document import Document, source_path
from archspec.service.text import Position, Text, TextEdit, Width, utf16

WIDTHS: dict[str, Width] = {
    "utf-8": lambda character: len(character.encode("utf-8", "surrogatepass")),
    "utf-16": utf16,
    "utf-32": lambda character: 1,
}
"""How many columns a character takes in each encoding of positions that a client may ask for."""

COMPLETIONS = {
    "key": lsp.CompletionItemKind.Property,
    "operation": lsp.CompletionItemKind.Function,
    "block": lsp.CompletionItemKind.Class,
    "role": lsp.CompletionItemKind.Keyword,
    "argument": lsp.CompletionItemKind.Field,
    "value": lsp.CompletionItemKind.EnumMember,
    "name": lsp.CompletionItemKind.Variable,
    "file": lsp.CompletionItemKind.File,
    "preset": lsp.CompletionItemKind.Constant,
}
SYMBOLS = {
    "key": lsp.SymbolKind.Key,
    "step": lsp.SymbolKind.Function,
    "stage": lsp.SymbolKind.Module,
    "block": lsp.SymbolKind.Class,
    "argument": lsp.SymbolKind.Variable,
    "preset": lsp.SymbolKind.Constant,
    "output": lsp.SymbolKind.Field,
}


def path_of(uri: str) -> Path:
    """The path of a document; one that was never saved stands in the working folder."""
    found = uris.to_fs_path(uri) if urlsplit(uri).scheme in ("file", "") else None
    if found:
        return Path(found)
    name = unquote(urlsplit(uri).path).rpartition("/")[2] or "untitled"
    return Path.cwd() / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")


def uri_of(path: Path) -> str:
    """The address of a file."""
    return str(uris.from_fs_path(str(path)))


class Places:
    """Positions in the encoding that was agreed on."""

    def __init__(self, encoding: str) -> None:
        self.width = WIDTHS[encoding]

    def position(self, text: Text, offset: int) -> lsp.Position:
        """An offset as a position."""
        found = text.position(offset, self.width)
        return lsp.Position(found.line, found.column)

    def range(self, text: Text, start: int, end: int) -> lsp.Range:
        """Two offsets as a range."""
        return lsp.Range(self.position(text, start), self.position(text, end))

    def offset(self, text: Text, position: lsp.Position) -> int:
        """A position as an offset."""
        return text.offset(Position(position.line, position.character), self.width)

    def edit(self, text: Text, edit: TextEdit) -> lsp.TextEdit:
        """An edit of the service."""
        return lsp.TextEdit(self.range(text, edit.start, edit.end), edit.text)

    def diagnostic(self, document: Document, found: Diagnostic) -> lsp.Diagnostic:
        """A diagnostic; one of another file stands where that is extended, and says which."""
        message = found.message + (f"\n{found.help}" if found.help else "")
        span = found.span
        if span is not None and span.source.name == document.name:
            start, end = document.offsets(span)
        else:
            message = f"{span}: {message}" if span is not None else message
            extends = next((word for word in document.words if word.role == "extends"), None)
            start, end = document.offsets(extends.span) if extends is not None else (0, 0)
        related = [
            lsp.DiagnosticRelatedInformation(place, printable(each.message))
            for each in found.related
            if (place := self.location(document, each.span)) is not None
        ]
        return lsp.Diagnostic(
            self.range(document.text, start, max(end, start)),
            printable_lines(message),
            severity=lsp.DiagnosticSeverity.Error if found.is_error else lsp.DiagnosticSeverity.Warning,
            code=found.code,
            source="archspec",
            related_information=related or None,
        )

    def location(self, document: Document, span: Span) -> lsp.Location | None:
        """The place of a span, in this document or in another file."""
        if span.source.name == document.name:
            return lsp.Location(uri_of(document.path), self.range(document.text, *document.offsets(span)))
        path, text = source_path(span), Text(span.source.text)
        if path is None:
            return None
        return lsp.Location(uri_of(path), self.range(text, *text.span_offsets(span)))
