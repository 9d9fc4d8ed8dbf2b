"""mm_orch runs language models on two backends, PyTorch and OpenVINO, with fallback.

>>> from mm_orch import ModelManager
>>> manager = ModelManager()
>>> manager.load_model("gpt2")
>>> manager.generate("gpt2", "Hello world")
"""

from mm_orch import _hooks, exceptions
from mm_orch._core import CancelToken, ExportResult, GenerationResult, ScoreResult, __version__
from mm_orch.runtime.model_manager import (
    ModelManager,
    configure_model_manager,
    get_model_manager,
)

_hooks.install()

__all__ = [
    "CancelToken",
    "ExportResult",
    "GenerationResult",
    "ModelManager",
    "ScoreResult",
    "__version__",
    "configure_model_manager",
    "exceptions",
    "get_model_manager",
]
