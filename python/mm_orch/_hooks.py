"""What the library asks of Python: a place for its log, and downloads from the hub."""

import atexit
import logging

from mm_orch import _core
from mm_orch.exceptions import ModelNotFoundError

# What a model needs; weights in other formats (.bin, .h5, .onnx) are left on the hub.
_ALLOW_PATTERNS = [
    "*.json",
    "*.jinja",
    "*.safetensors",
    "*.gguf",
    "*.txt",
    "*.bpe",
    "*.model",
]


def _download(repository: str) -> str:
    """Fetches a model with huggingface_hub, which shows its progress bars."""
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(repository, allow_patterns=_ALLOW_PATTERNS)
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise ModelNotFoundError(
            f"model '{repository}' could not be downloaded from the Hugging Face hub: "
            f"{reason[0] if reason else type(error).__name__}. Check the name and the network, "
            "log in with `hf auth login` if the model asks for it, or put the model's folder "
            f"under models/{repository}",
            model=repository,
        ) from error


def install() -> None:
    """Sends the log to ``logging.getLogger("mm_orch")`` and downloads to huggingface_hub."""
    _core.set_log_sink(logging.getLogger("mm_orch").log)
    _core.set_downloader(_download)
    atexit.register(_core.shut_down)
