"""Weights by the spec's names and layouts: read from and written to files of any format, checked against a net.

The one part of the core that computes with NumPy. Nothing is imported here, so that what recognizes files needs none of it.
"""
