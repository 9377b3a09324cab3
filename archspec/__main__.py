"""`python -m archspec`, the command line of the Python that runs it."""

from archspec_cli.entry import main

if __name__ == "__main__":
    main()
