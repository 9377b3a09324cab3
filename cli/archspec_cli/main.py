"""The `archspec` command."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from archspec_cli.commands import (
    build,
    check,
    compare,
