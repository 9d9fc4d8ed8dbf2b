"""A contender's process, spoken to in JSON lines."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from harness.places import BENCHMARKS


class EngineError(Exception):
    """The engine cannot run this; the message is its own."""


class Worker:
    """Runs engines/worker.py from start to close."""

    def __init__(
        self, python: Path, prefix: list[str], engine: str, model: Path, options: dict,
        environment: dict[str, str] | None = None,
    ):  # fmt: skip
        command = [*prefix, str(python), "-m", "engines.worker", engine, str(model)]
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*command, json.dumps(options)],
            cwd=BENCHMARKS, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            env=os.environ | OFFLINE | (environment or {}),
        )  # fmt: skip
        try:
            self.started = self._read()
        except EngineError:
            self.close()
            raise

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            last = self.log.read().strip().splitlines()[-1:]
            code = self.process.wait()
            raise EngineError(f"the process ended with {code}: {' '.join(last)}")
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer

    def ask(self, **request) -> dict:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


# No contender looks for files elsewhere, nor reports its use.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "OPENVINO_TELEMETRY": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
