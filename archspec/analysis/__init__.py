"""What can be told of a network: summaries, differences, and whether it is what its author meant."""
