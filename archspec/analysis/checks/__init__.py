"""Checks of a whole network after it is built."""
