"""Exports a model to OpenVINO IR: models/openvino/<name>/<name>.xml, .bin and its tokenizer.

python scripts/export_to_openvino.py gpt2 --precision FP16 --output models/openvino/gpt2
"""

import argparse
import os
import sys
from pathlib import Path

try:
    from mm_orch import ModelManager
    from mm_orch.exceptions import MuAIError
except ModuleNotFoundError as missing:
    if missing.name != "mm_orch":
        raise
    python = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.argv])
    sys.exit("error: mm_orch is not installed for this Python. Run: bash scripts/setup.sh")


def main() -> int:
    parser = argparse.ArgumentParser(description="Export a model to OpenVINO IR.")
    parser.add_argument("model", help="a name (gpt2), a model folder, or a .gguf file")
    parser.add_argument(
        "--precision",
        type=str.upper,
        choices=["FP32", "FP16", "INT8", "INT4"],
        default="FP32",
        help="of the weights (default: FP32)",
    )
    parser.add_argument("--output", help="folder (default: models/openvino/<name>)")
    parser.add_argument(
        "--no-check", action="store_true", help="do not compare the result with PyTorch"
    )
    parser.add_argument(
        "--force", action="store_true", help="use the result even if it fails the check"
    )
    parser.add_argument(
        "--no-tune",
        action="store_true",
        help="do not look for the fastest settings on this machine",
    )
    arguments = parser.parse_args()
    try:
        result = ModelManager().export_model(
            arguments.model,
            arguments.precision,
            arguments.output,
            progress=show_progress,
            check=not arguments.no_check,
            force=arguments.force,
            tune=not arguments.no_tune,
        )
    except MuAIError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    print(
        f"\nExported {arguments.model} as {arguments.precision} in {result.seconds:.1f} s:\n"
        f"  {result.xml_path}\n"
        f"  {result.bin_path} ({result.bytes / 1e6:.0f} MB)"
    )
    failed = result.fidelity["status"] == "failed"
    print(f"Fidelity check {result.fidelity['summary']}, in {result.fidelity['seconds']:.1f} s")
    if result.tuning:
        print(f"Tuned in {result.tuning['seconds']:.1f} s: {result.tuning['summary']}")
    if failed:
        print("error: the files are kept but not loaded; --force accepts them", file=sys.stderr)
    return 1 if failed else 0


def show_progress(done: int, total: int, what: str) -> None:
    """One line that is written over on a terminal; a line per tenth elsewhere."""
    line = f"{100 * done // max(total, 1):3d}%  {what}"[:79]
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    elif done == total or done * 10 // max(total, 1) != (done - 1) * 10 // max(total, 1):
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
