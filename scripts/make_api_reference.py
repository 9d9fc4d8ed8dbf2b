#!/usr/bin/env python
"""Prints docs/api_reference.md, made from the docstrings of the Python package.

.venv/bin/python scripts/make_api_reference.py > docs/api_reference.md
"""

import inspect

from mm_orch import exceptions
from mm_orch.runtime.generation_options import GenerationOptions
from mm_orch.runtime.model_manager import (
    ModelManager,
    configure_model_manager,
    get_model_manager,
)

HEADER = """# API reference

Made from the docstrings by `scripts/make_api_reference.py`. C++ has the same under the same names:
`include/mm_orch/model_manager.h`. The shell command is described in [cli.md](cli.md).
"""


def section(title: str, documented: object) -> str:
    text = inspect.getdoc(documented) or ""
    return f"{title}\n\n```text\n{text}\n```\n"


def signature(name: str, function: object) -> str:
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    words = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    return f"## `{name}({', '.join(words)})`"


def main() -> None:
    parts = [HEADER, section("## `ModelManager`", ModelManager)]
    for name, member in vars(ModelManager).items():
        if name == "__init__":
            parts.append(section(signature("ModelManager", member), member))
        elif not name.startswith("_") and inspect.isfunction(member):
            parts.append(section(signature(name, member), member))
    for function in (get_model_manager, configure_model_manager):
        parts.append(section(signature(function.__name__, function), function))
    source = inspect.getsource(GenerationOptions)
    parts.append(f"## Options of `generate`\n\n```python\n{source}```\n")
    parts.append("## Errors (`mm_orch.exceptions`)\n")
    for name, member in vars(exceptions).items():
        if inspect.isclass(member) and issubclass(member, exceptions.MuAIError):
            parts.append(f"- `{name}`: {(inspect.getdoc(member) or '').splitlines()[0]}")
    print("\n".join(parts))


if __name__ == "__main__":
    main()
