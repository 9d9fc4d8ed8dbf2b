"""The errors of mm_orch under the name the migration guide uses."""

from mm_orch.exceptions import (
    BackendError,
    BackendInitializationError,
    CancelledError,
    ConfigurationError,
    DeviceError,
    FidelityError,
    FileValidationError,
    InferenceError,
    InvalidInputError,
    ModelLoadError,
    ModelNotFoundError,
    MuAIError,
    NumericFaultError,
    OutOfMemoryError,
    OverloadedError,
    UnsupportedModelError,
)

__all__ = [
    "BackendError",
    "BackendInitializationError",
    "CancelledError",
    "ConfigurationError",
    "DeviceError",
    "FidelityError",
    "FileValidationError",
    "InferenceError",
    "InvalidInputError",
    "ModelLoadError",
    "ModelNotFoundError",
    "MuAIError",
    "NumericFaultError",
    "OutOfMemoryError",
    "OverloadedError",
    "UnsupportedModelError",
]
