"""A run from its first line to its last: the loop, its metrics, its record."""
