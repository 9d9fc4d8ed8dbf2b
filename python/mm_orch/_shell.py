"""The console script `mm-orch`: runs the program that lies in the package."""

import os
import sys
from pathlib import Path


def main() -> None:
    program = Path(__file__).parent / "bin" / "mm-orch"
    # The shell downloads models with `hf`, which lies beside the interpreter.
    scripts = os.path.dirname(sys.executable)
    environment = dict(os.environ, PATH=os.pathsep.join([scripts, os.environ.get("PATH", "")]))
    os.execve(program, ["mm-orch", *sys.argv[1:]], environment)
