"""What a backend offers, how it is found, and what is installed."""

from __future__ import annotations

from archspec.backends.protocol import (
    Backend,
    Builder,
    Examiner,
    Files,
    Importer,
    Mapper,
    Prediction,
    Predictor,
    SourceMap,
    Trained,
    Trainer,
    Weights,
    WeightsFormat,
)
from archspec.backends.registry import (
    backend_names,
    check_supported,
    errors_of,
    find_backend,
    find_builder,
    find_examiner,
    find_importer,
    find_mapper,
    find_predictor,
    find_trainer,
    formats_of,
)

__all__ = [
    "Backend",
    "Builder",
    "Examiner",
    "Files",
    "Importer",
    "Mapper",
    "Prediction",
    "Predictor",
    "SourceMap",
    "Trained",
    "Trainer",
    "Weights",
    "WeightsFormat",
    "backend_names",
    "check_supported",
    "errors_of",
    "find_backend",
    "find_builder",
    "find_examiner",
    "find_importer",
    "find_mapper",
    "find_predictor",
    "find_trainer",
    "formats_of",
]
