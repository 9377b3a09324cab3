"""The command line of archspec: Typer commands, one module each, with no logic of their own."""
