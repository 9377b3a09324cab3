"""Loggers: what a run measures, handed to TensorBoard, Weights & Biases or MLflow as well."""
