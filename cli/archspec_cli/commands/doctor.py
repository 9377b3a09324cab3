"""`archspec doctor`."""

from __future__ import annotations

import typer

from archspec_cli.console import tell


def doctor() -> None:
    """Print versions and devices, and what is missing with the command that gets it.

    Example: archspec doctor
    """
    from archspec.backends.health import examine

    sound = True
    for finding in examine():
        sound = sound and (finding.sound or finding.optional)
        tell(f"{'ok  ' if finding.sound else '--  '} {finding.what}: {finding.state}")
        if finding.remedy:
            tell(f"       {finding.remedy}")
    raise typer.Exit(0 if sound else 1)
