"""The commands as a user types them; training, evaluation and comparison have tests of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

import archspec
from archspec import zoo

REPO = Path(__file__).parent.parent


def test_version_is_the_packages(cli):
    assert cli("--version").output == f"archspec {archspec.__version__}\n"


def test_help_shows_examples_for_every_command(cli):
    names = re.findall(r"^│ (\w+)  ", cli("--help").output, re.MULTILINE)
