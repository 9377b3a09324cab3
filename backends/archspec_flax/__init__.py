"""Flax NNX for archspec: emission of source, and the spec's names for what a model holds."""
