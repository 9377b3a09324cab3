"""From text to marked nodes: YAML with its faults, expressions and their arithmetic, identifiers, fixes of text."""
