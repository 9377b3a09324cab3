"""PyTorch for archspec: emission of source, and the trainer that emitted folders carry along."""
