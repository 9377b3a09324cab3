"""The learning rate in phases, their scaling to another length, and how much of an average each step keeps."""
