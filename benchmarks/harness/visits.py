"""One visit: a contender's process from its start to its end, and what it measured meanwhile.

Each visit is a fresh process, alone on the machine: no idle threads of another engine, no memory
shared out among all of them, and a cold start each time. A round visits each contender once.
"""

from pathlib import Path

from harness.artifacts import ensure, python_of, worker_arguments
from harness.contenders import BASELINE, Contender
from harness.models import Model
from harness.process import EngineError, Worker

SCENARIOS = ("start", "decode", "prefill", "batch", "quality")
PROMPT = 16  # tokens
PREFILL_RUNS = 2
FULL_ROUNDS = 1  # later rounds measure start and decode alone


class Visit:
    """Measures into `figures`: scenario → raw figures.

    about: the model's model.json. number: of the round, from 0.
    """

    def __init__(
        self, contender: Contender, model: Model, folder: Path, about: dict, number: int
    ):  # fmt: skip
        self.contender, self.model, self.folder = contender, model, folder
        self.about, self.number = about, number
        self.figures: dict = {}

    def run(self, scenarios: list[str], prefix: list[str]) -> dict:
        """The figures; with an "error" where the engine failed, after which nothing follows."""
        name = self.contender.engine
        if self.contender.artifact in self.model.left_out:
            return {"error": "left out: with this model it takes too long"}
        try:
            if self.contender.artifact != "source":
                ensure(self.contender.artifact, self.folder, prefix)
            path, options = worker_arguments(self.contender, self.folder, self.model.family)
            environment = self.contender.environment
            with Worker(python_of(name), prefix, name, path, options, environment) as self.worker:
                self._start()
                for scenario in scenarios:
                    if scenario in self._scenarios():
                        getattr(self, f"_{scenario}")()
        except EngineError as error:
            self.figures["error"] = str(error)
        return self.figures

    def _scenarios(self) -> list[str]:
        if self.contender.decode_only or self.number >= FULL_ROUNDS:
            return ["decode"]
        judged = self.number == 0 and not self.contender.logits_of and self.model.family != "t5"
        return ["decode", "prefill", "batch"] + (["quality"] if judged else [])

    def _prompt(self, length: int, place: int) -> list[int]:
        """Another one each time, lest an engine remembers it."""
        tokens = self.about["long"]
        begin = (37 * self.number + 11 * place) % (len(tokens) - length)
        return tokens[begin : begin + length]

    def _generate(self, prompts: list[list[int]], new_tokens: int) -> dict:
        answer = self.worker.ask(do="generate", prompts=prompts, new_tokens=new_tokens)
        self.figures["memory"] = {key: answer[key] for key in ("peak_rss_mb", "anonymous_mb")}
        return answer

    def _start(self) -> None:
        if self.contender.decode_only:
            self._generate([self._prompt(PROMPT, 0)], self.model.new_tokens)
            return
        cold = self._generate([self._prompt(PROMPT, 0)], 1)
        self._generate([self._prompt(PROMPT, 1)], 8)
        warm = self._generate([self._prompt(PROMPT, 2)], 1)
        started = self.worker.started
        self.figures["start"] = {
            **started,
            "cold_first_token_s": cold["since_start_s"],
            "load_to_first_token_s": started["load_s"] + cold["seconds"],
            "warm_first_token_s": warm["seconds"],
        }

    def _decode(self) -> None:
        runs = []
        for i in range(self.model.repeats):
            answer = self._generate([self._prompt(PROMPT, 3 + i)], self.model.new_tokens)
            runs.append((answer["seconds"], answer["first_s"]))
        self.figures["decode"] = runs
        self.figures["memory_of_one_sequence"] = self.figures["memory"]

    def _prefill(self) -> None:
        self.figures["prefill"] = {}
        for length in self.model.prefill:
            if self.contender.bits == "FP32" and length > self.model.longest_fp32_prefill:
                continue
            answers = [self._generate([self._prompt(length, i)], 1) for i in range(PREFILL_RUNS)]
            self.figures["prefill"][str(length)] = [answer["seconds"] for answer in answers]

    def _batch(self) -> None:
        self.figures["batch"] = {}
        for size in self.model.batch:
            prompts = [self._prompt(PROMPT, 7)] * size
            answer = self._generate(prompts, self.model.batch_new_tokens)
            self.figures["batch"][str(size)] = answer["seconds"]

    def _quality(self) -> None:
        answer = self.worker.ask(
            do="quality", texts=self.about["texts"], reference=str(self.folder / "reference.npy"),
            is_reference=self.contender.label == BASELINE,
        )  # fmt: skip
        self.figures["quality"] = {key: answer[key] for key in ("mean_kl", "top1", "positions")}
