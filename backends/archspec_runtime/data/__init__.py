"""The data sets that a recipe can name, each read into the same form."""
