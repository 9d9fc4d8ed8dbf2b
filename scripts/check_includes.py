"""Checks who includes whom (ARCHITECTURE.md): run from anywhere, exits 1 and names each violation.

Usage: check_includes.py [ROOT]
"""

import re
import sys
from pathlib import Path

# What a folder of src/ may include, besides itself and the public headers (include/mm_orch).
LOWER = {"base", "config", "weights", "graph", "text"}
ALLOWED = {
    "base": set(),
    "config": {"base"},
    "graph": {"base", "weights"},
    "weights": {"base"},
    "text": {"base", "weights"},
    "models": LOWER,
    "backend": LOWER,
    "generation": LOWER | {"backend"},
    "manager": LOWER | {"models", "backend", "generation", "exporter"},
    "exporter": LOWER | {"models", "backend"},
}
# A plug-in sees the interface and its own folder; apps and bindings see the public headers alone.
PLUGIN = {"base", "graph", "weights", "backend"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
SOURCES = {".h", ".hpp", ".cpp", ".cc"}


def violations(root: Path) -> list[str]:
    rules = {
        "include": _face_rule,
        "src": _source_rule,
        "backends": _plugin_rule,
        "apps": _face_rule,
        "python": _face_rule,
    }
    found = []
    for top, allowed_for in rules.items():
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SOURCES:
                found += _check_file(root, path, allowed_for(path.relative_to(root / top)))
    return found


def _source_rule(path: Path) -> set[str]:
    return ALLOWED[path.parts[0]] | {path.parts[0]}


def _plugin_rule(path: Path) -> set[str]:
    return PLUGIN


def _face_rule(path: Path) -> set[str]:
    return set()


def _check_file(root: Path, path: Path, allowed: set[str]) -> list[str]:
    text = path.read_text()
    found = []
    for match in INCLUDE.finditer(text):
        target = match.group(1)
        folder = target.split("/")[0]
        place = f"{path.relative_to(root)}:{text.count(chr(10), 0, match.start(1)) + 1}"
        if folder == "..":
            found.append(f'{place}: includes "{target}"; write the path from the include folder')
        elif folder in ALLOWED and folder not in allowed and (root / "src" / target).exists():
            may = ", ".join(sorted(allowed)) or "the public headers alone"
            found.append(f'{place}: includes "{target}"; it may include {may}')
    return found


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    found = violations(root)
    print("\n".join(found) if found else "Include rules: all kept")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
