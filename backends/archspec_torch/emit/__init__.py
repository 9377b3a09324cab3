"""From a network to PyTorch source: what to write is decided here, the templates only lay it out."""
