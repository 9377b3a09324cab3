"""`python -m archspec_cli`, for launchers that start modules."""

from archspec_cli.entry import main

if __name__ == "__main__":
    main()
