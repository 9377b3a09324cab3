"""Import of exported programs (`.pt2`): JSON and numbers, of which nothing is run."""
