"""What a run writes down of itself, and what two of them have in common."""
