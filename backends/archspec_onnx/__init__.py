"""The ONNX backend: nets with their weights as ONNX files, for inference anywhere."""
