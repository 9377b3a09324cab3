"""All the files of a built folder."""

from __future__ import annotations

from archspec.network import Network
from archspec.resolved_text import resolved_yaml
from archspec.version import __version__
from archspec_flax.emit.model import TEMPLATES, model_source

REQUIREMENTS = ("flax>=0.12.8",)


def folder_files(net: Network) -> dict[str, str]:
    """The files of a net by relative path."""
    channels, height, width = net.input_shape
    readme = TEMPLATES.get_template("README.md.j2").render(
        net=net, cost=net.cost, shape=f"{height}x{width}x{channels}", version=__version__
    )
    return {
        "model.py": model_source(net),
        "spec.yaml": resolved_yaml(net),
        "requirements.txt": "".join(f"{line}\n" for line in REQUIREMENTS),
        "README.md": readme,
    }
