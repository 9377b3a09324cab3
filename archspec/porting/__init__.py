"""Ports: a model with its weights in another framework, compared with what it was, layer by layer.

Nothing is imported here, so that the command line asks for it as it needs it.
"""
