"""Specs that tests write, also those that run where there is nothing but the core."""

from pathlib import Path

import pytest

import archspec

HEAD = "archspec: 1\nname: net\n"


@pytest.fixture
def spec(tmp_path):
    """Write a spec and give its path; the two lines that all specs share are added where they are missing."""

    def write(text: str, name: str = "net.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.startswith("archspec:") else HEAD + text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def mistakes(spec):
    """The diagnostics of a spec's text."""

    def check(text: str, **options):
        return archspec.check(spec(text), **options)

    return check
