"""`python -m mm_orch` prints the folder to give CMake as CMAKE_PREFIX_PATH."""

from pathlib import Path

print(Path(__file__).parent)
