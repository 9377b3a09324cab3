"""`archspec schema`."""

from __future__ import annotations

from archspec_cli.console import tell_json


def schema() -> None:
    """Print the JSON Schema of the language (draft 7), which editors complete and check with.

    Example: archspec schema > archspec.schema.json, and as a spec's first line:
    # yaml-language-server: $schema=archspec.schema.json
    """

    from archspec.language.json_schema import json_schema

    tell_json(json_schema(), indent=1)
