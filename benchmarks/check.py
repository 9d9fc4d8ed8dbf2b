"""Is one commit slower than another on this machine?

    python benchmarks/check.py OLD NEW [--rounds 7]

Builds both (git worktrees under build/check), runs them in interleaved rounds, OLD twice in each
so that the noise is measured too, and fails if NEW is slower by more than the noise.
Then counts the instructions of the core's own hot paths with callgrind, which have no noise.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.noise import instructions_of_a_round, judge
from harness.places import OUR_PYTHON, ROOT
from harness.process import Worker
from harness.prompts import find_smollm2

CHECK = ROOT / "build/check"
SITE_PACKAGES = next((ROOT / ".venv/lib").glob("python*/site-packages"))
PATHS = {"sample_greedy": (20, 120), "sample_top_p": (20, 120), "generate": (200, 1200)}
MORE_INSTRUCTIONS = 0.01  # compilers differ by a little when code around moves
PROMPT, NEW_TOKENS, PREFILL = 16, 48, 512


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def command(*words, **options) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise SystemExit(f"{' '.join(map(str, words[:4]))} ... failed:\n{last}")
    return done.stdout.strip()


class Commit:
    """A commit built for the comparison."""

    def __init__(self, name: str):
        self.name = name
        self.sha = command("git", "rev-parse", "--short=12", f"{name}^{{commit}}", cwd=ROOT)
        self.tree = CHECK / self.sha / "tree"
        self.site = CHECK / self.sha / "site"
        self.hot_paths = self.tree / "build/micro/bin/hot_paths"

    def build(self) -> None:
        if not self.tree.exists():
            command("git", "worktree", "add", "--detach", self.tree, self.sha, cwd=ROOT)
            if (ROOT / "build/cargo").exists():
                shutil.copytree(ROOT / "build/cargo", self.tree / "build/cargo", symlinks=True)
        environment = os.environ | {"CCACHE_BASEDIR": str(self.tree), "CCACHE_NOHASHDIR": "1"}
        if not (self.site / "mm_orch").exists():
            say(f"building {self.name} ({self.sha})")
            command(
                OUR_PYTHON, "-m", "pip", "install", "--no-build-isolation", "--no-deps",
                "--target", self.site, "-C", f"cmake.define.MM_ORCH_SITE_PACKAGES={SITE_PACKAGES}",
                self.tree, env=environment,
            )  # fmt: skip
            for package in ("torch", "openvino"):  # the plug-ins look for them beside mm_orch
                (self.site / package).symlink_to(SITE_PACKAGES / package)
        if (self.tree / "benchmarks/micro").exists() and not self.hot_paths.exists():
            off = [f"-DMM_ORCH_BUILD_{part}=OFF" for part in ("TORCH", "OPENVINO", "CLI")]
            folder = self.tree / "build/micro"
            command(
                "cmake", "-S", self.tree, "-B", folder, "-G", "Ninja",
                "-DMM_ORCH_BUILD_BENCHMARKS=ON", *off, env=environment,
            )  # fmt: skip
            command("ninja", "-C", folder, "hot_paths", env=environment)

    def visit(self, backend: str, model: Path, prefix: list[str]) -> dict[str, float]:
        """Seconds of each thing measured, in a process of its own."""
        options = {"backend": backend, "settings": {}}
        if backend == "openvino":
            options["settings"] = {"cache_dir": str(CHECK / self.sha / "ir"), "auto_export": True}
        environment = {"PYTHONPATH": str(self.site)}
        tokens = [3 + 7 * i for i in range(PREFILL)]
        with Worker(OUR_PYTHON, prefix, "mm_orch", model, options, environment) as worker:

            def seconds(length: int, new_tokens: int) -> dict:
                prompts = [tokens[:length]]
                return worker.ask(do="generate", prompts=prompts, new_tokens=new_tokens)

            seconds(PROMPT, 8)
            runs = [seconds(PROMPT, NEW_TOKENS) for _ in range(3)]
            decode = min(run["seconds"] - run["first_s"] for run in runs) / (NEW_TOKENS - 1)
            prefill = min(seconds(PREFILL, 1)["seconds"] for _ in range(3))
        return {
            f"{backend}: a decoded token": decode,
            f"{backend}: prefill of {PREFILL}": prefill,
            f"{backend}: load": worker.started["load_s"],
        }

    def instructions(self, path: str) -> float:
        totals = []
        for count in PATHS[path]:
            done = subprocess.run(
                ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                 self.hot_paths, path, str(count)], capture_output=True, text=True,
            )  # fmt: skip
            found = re.search(r"Collected : (\d+)", done.stderr)
            if not found:
                raise SystemExit(f"callgrind failed: {done.stderr[-500:]}")
            totals.append(int(found.group(1)))
        return instructions_of_a_round(*totals, PATHS[path])


def compare_times(old: Commit, new: Commit, arguments) -> bool:
    """True if something became slower."""
    model, slower = find_smollm2(), False
    for backend in arguments.backends:
        for commit in {old.sha: old, new.sha: new}.values():
            commit.visit(backend, model, arguments.prefix)  # exports, and warms the page cache
        times: dict[str, list[list[float]]] = {}
        for number in range(arguments.rounds):
            for place, commit in enumerate((old, new, old)):
                for what, seconds in commit.visit(backend, model, arguments.prefix).items():
                    times.setdefault(what, [[], [], []])[place].append(seconds)
            say(f"{backend}: round {number + 1} of {arguments.rounds}")
        for what, (first, changed, again) in times.items():
            verdict = judge(first, changed, again)
            slower |= verdict.slower
            print(
                f"{what:34}{verdict.change:+8.1%} noise {verdict.noise:6.1%}  "
                + ("SLOWER" if verdict.slower else "ok")
            )
    return slower


def compare_instructions(old: Commit, new: Commit) -> bool:
    for commit in (old, new):
        if not commit.hot_paths.exists():
            print(f"instructions: not counted, {commit.name} has no benchmarks/micro")
            return False
    if not shutil.which("valgrind"):
        print("instructions: not counted, valgrind is missing (apt-get install valgrind)")
        return False
    more = False
    for path in PATHS:
        before, after = old.instructions(path), new.instructions(path)
        change = after / before - 1
        more |= change > MORE_INSTRUCTIONS
        print(
            f"{path + ', instructions':34}{change:+8.1%} ({before:,.0f} to {after:,.0f})  "
            + ("MORE" if change > MORE_INSTRUCTIONS else "ok")
        )
    return more


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--backends", type=lambda text: text.split(","),
                        default=["pytorch", "openvino"])  # fmt: skip
    parser.add_argument(
        "--prefix", type=lambda text: text.split(), default=[],
        help='put before each measured command, such as "taskset -c 0,1"',
    )  # fmt: skip
    parser.add_argument("--no-times", action="store_true", help="count instructions only")
    arguments = parser.parse_args()
    old, new = Commit(arguments.old), Commit(arguments.new)
    for commit in (old, new):
        commit.build()
    slower = False if arguments.no_times else compare_times(old, new, arguments)
    more = compare_instructions(old, new)
    return 1 if slower or more else 0


if __name__ == "__main__":
    sys.exit(main())
