"""The Pydantic models of the language: what a spec may say, key by key."""

from __future__ import annotations

from archspec.language.spec import BlockModel, Spec, Stage

__all__ = ["BlockModel", "Spec", "Stage"]
