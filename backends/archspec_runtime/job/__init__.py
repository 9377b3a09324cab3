"""What is trained and how it was asked for, and the memory that it needs."""
