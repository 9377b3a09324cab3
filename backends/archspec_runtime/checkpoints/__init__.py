"""Checkpoints: written whole, found again, and weights out of them."""
