"""Which samples each step sees, and the processes that read them."""
