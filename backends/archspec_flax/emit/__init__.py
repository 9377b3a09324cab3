"""From a network to Flax NNX source: what to write is decided here, the templates only lay it out."""
