"""The closed error hierarchy of mm_orch, the same classes as in C++ (mm_orch/errors.h)."""


class MuAIError(Exception):
    """Base of every error that mm_orch raises.

    Attributes:
        code: stable number of the class, the same in C++ (``ErrorCode``).
        model, backend, device, path: where it happened; empty where one does not apply.
        docs: the section of the documentation, which a traceback shows too.
    """

    code: int = 0

    def __init__(
        self,
        message: str = "",
        *,
        model: str = "",
        backend: str = "",
        device: str = "",
        path: str = "",
    ) -> None:
        super().__init__(message)
        self.model = model
        self.backend = backend
        self.device = device
        self.path = path
        named = next(kind for kind in type(self).__mro__ if "code" in vars(kind))
        self.docs = f"docs/troubleshooting.md#{named.__name__.lower()}"
        self.add_note(f"See {self.docs}")


class ConfigurationError(MuAIError):
    """A configuration file or option is wrong."""

    code = 1


class InvalidInputError(MuAIError):
    """An argument of a call is outside what is allowed."""

    code = 2


class ModelNotFoundError(MuAIError):
    """No model under this path or name, here or (when online) on the hub."""

    code = 3


class OutOfMemoryError(MuAIError):
    """The memory for the request is not there."""

    code = 4


class CancelledError(MuAIError):
    """The caller cancelled the request."""

    code = 5


class BackendError(MuAIError):
    """Anything that a backend reports."""

    code = 6


class BackendInitializationError(BackendError):
    """The backend or its SDK is missing, or of another version than it was built for."""

    code = 7


class DeviceError(BackendError):
    """The device asked for is not there."""

    code = 8


class ModelLoadError(BackendError):
    """The model was found but cannot be loaded."""

    code = 9


class FileValidationError(ModelLoadError):
    """A model file is truncated, damaged or contradicts itself."""

    code = 10


class UnsupportedModelError(ModelLoadError):
    """The architecture, or an option of it, is one we lack."""

    code = 11


class InferenceError(BackendError):
    """A forward pass failed."""

    code = 12


class NumericFaultError(InferenceError):
    """A forward pass gave NaN or Inf."""

    code = 13


class FidelityError(ModelLoadError):
    """An exported model differs from its source by more than is allowed."""

    code = 14


class OverloadedError(MuAIError):
    """Too many requests wait already, or this one waited too long."""

    code = 15
