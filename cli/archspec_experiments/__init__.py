"""Experiments: grids of runs, how their layers respond, and the page that shows them together."""
