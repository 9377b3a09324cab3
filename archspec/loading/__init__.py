"""From a path or a name to a validated spec: `extends`, presets, overrides, recipes, references."""
