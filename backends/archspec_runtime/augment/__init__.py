"""Plans of augmentation, drawn in numbers, and what they do to pixels."""
