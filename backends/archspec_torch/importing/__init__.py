"""Models of PyTorch as traced models: what `torch.export` gives of a module, and the proof that its spec is equal."""
