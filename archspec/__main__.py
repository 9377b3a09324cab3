"""`python -m archspec`: the command that was installed as `archspec`, which the core itself does not import."""

from importlib.metadata import entry_points

if __name__ == "__main__":
    (command,) = entry_points(group="console_scripts", name="archspec")
    command.load()()
