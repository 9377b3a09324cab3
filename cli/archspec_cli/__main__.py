"""`python -m archspec_cli`, as launchers call the command."""

from archspec_cli.main import main

main()
