"""What emission of Python source shares, whatever framework it is for: a backend adds a dialect and its templates."""
