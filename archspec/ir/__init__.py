"""The network as a typed, immutable, hierarchical graph, and what follows from the graph alone."""

from __future__ import annotations

from archspec.ir.graph import STEPS, Block, Call, Chain, Definition, Output, Role, Run, parts, tapped
from archspec.ir.graph_builder import GraphBuilder
from archspec.ir.rows import Row, rows
from archspec.ir.walk import walk

__all__ = [
    "STEPS",
    "Block",
    "Call",
    "Chain",
    "Definition",
    "GraphBuilder",
    "Output",
    "Role",
    "Row",
    "Run",
    "parts",
    "rows",
    "tapped",
    "walk",
]
