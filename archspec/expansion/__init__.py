"""From a spec to a network: blocks are instantiated, stages repeated, and every value gets its shape."""
