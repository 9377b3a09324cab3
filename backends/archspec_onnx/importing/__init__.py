"""ONNX files as traced models: nodes with the modules that their names tell, and the proof that the spec answers alike."""
