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
    convert,
    data,
    diff,
    doctor,
    evaluate,
    explain,
    listing,
    report,
    responses,
    schema,
    show,
    summary,
    sweep,
    train,
)

app = typer.Typer(
    name="archspec",
    help="Describe a convolutional network in YAML; check it, read it as code, train it.",
    epilog="Start with: archspec list  ·  archspec summary resnet50  ·  archspec build resnet50 --out resnet50",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check")(check.check)
app.command("show")(show.show)
app.command("summary")(summary.summary)
app.command("build")(build.build)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("sweep")(sweep.sweep)
app.command("responses")(responses.responses)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("convert")(convert.convert)
app.add_typer(data.app, name="data")
app.command("diff")(diff.diff)
app.command("explain")(explain.explain)
app.command("schema")(schema.schema)
app.command("list")(listing.list_specs)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        from archspec.version import __version__

        print(f"archspec {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Describe a convolutional network in YAML; check it, read it as code, train it."""


def main() -> None:
    """Run the command line; Ctrl-C ends it with 130 and a closed pipe without a word."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
