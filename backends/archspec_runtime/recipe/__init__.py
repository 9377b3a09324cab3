"""A training recipe as data, and as the text of a spec."""
