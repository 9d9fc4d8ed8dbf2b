"""One visit: a contender's process from its start to its end, and what it measured meanwhile.

Each visit is a fresh process, alone on the machine: no idle threads of another engine, no memory
shared out among all of them, and a cold start each time. A round visits each contender once.
"""

from pathlib import Path

from harness.artifacts import ensure, python_of, worker_arguments
from harness.contenders import BASELINE, CROWD, Contender
from harness.models import Model
from harness.process import EngineError, Worker

SCENARIOS = ("start", "decode", "prefill", "batch", "quality", *CROWD)
PROMPT = 16  # tokens
PREFILL_RUNS = 2
FULL_ROUNDS = 1  # later rounds measure start, decode, prefill and the crowd's scenarios alone
CLIENTS, CLIENT_TOKENS = 4, 48
SHARING, BEGINNING, OWN = 16, 512, 16  # requests; tokens that they share, and of each alone
PASSAGE, AGAIN, REPEATED = 160, 40, 96  # tokens: a passage, its start once more, and new ones


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
        if self.contender.decode_only:
            return ["decode"]
        if self.number >= FULL_ROUNDS:
            return ["decode", "prefill", *self._crowd()]
        judged = self.number == 0 and not self.contender.logits_of and self.model.family != "t5"
        return ["decode", "prefill", "batch", *(["quality"] if judged else []), *self._crowd()]

    def _crowd(self) -> list[str]:
        return list(self.contender.crowd) if self.model.crowd else []

    def _prompt(self, length: int, place: int) -> list[int]:
        """Another beginning for each place and round, lest an engine remembers it."""
        tokens = self.about["long"]
        begin = (37 * self.number + 11 * place) % (len(tokens) - length)
        return tokens[begin : begin + length]

    def _generate(self, prompts: list[list[int]], new_tokens: int, plainly=True) -> dict:
        """plainly: one token a step, which is what weights and memory decide."""
        answer = self.worker.ask(
            do="generate", prompts=prompts, new_tokens=new_tokens, plainly=plainly
        )
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
        def runs(plainly: bool) -> list[tuple[float, float]]:
            prompts = [[self._prompt(PROMPT, 3 + i)] for i in range(self.model.repeats)]
            answers = [self._generate(p, self.model.new_tokens, plainly) for p in prompts]
            return [(answer["seconds"], answer["first_s"]) for answer in answers]

        self.figures["decode"] = runs(plainly=True)
        if self.contender.ours:
            self.figures["as_called"] = runs(plainly=False)
        self.figures["memory_of_one_sequence"] = self.figures["memory"]

    def _prefill(self) -> None:
        self.figures["prefill"] = {}
        for number, length in enumerate(self.model.prefill):
            if self.contender.bits == "FP32" and length > self.model.longest_fp32_prefill:
                continue
            places = [80 + 5 * number + i for i in range(PREFILL_RUNS)]
            answers = [self._generate([self._prompt(length, place)], 1) for place in places]
            self.figures["prefill"][str(length)] = [answer["seconds"] for answer in answers]

    def _batch(self) -> None:
        self.figures["batch"] = {}
        for size in self.model.batch:
            prompts = [self._prompt(PROMPT, 7)] * size
            answer = self._generate(prompts, self.model.batch_new_tokens)
            self.figures["batch"][str(size)] = answer["seconds"]

    def _clients(self) -> None:
        """As many requests from as many threads, and the same one after another."""
        prompts = [self._prompt(PROMPT, 20 + i) for i in range(CLIENTS)]
        for figure, plainly in (("clients", True), ("clients_as_called", False)):
            self.figures[figure] = {
                name: self.worker.ask(
                    do="clients", prompts=prompts, new_tokens=CLIENT_TOKENS, threads=threads,
                    plainly=plainly,
                )["seconds"]
                for name, threads in (("in_turn", 1), ("together", CLIENTS))
            }  # fmt: skip

    def _beginnings(self) -> None:
        """Until the last of the requests has its first token: with one beginning, and without."""
        long, shift = self.about["long"], 7 * self.number
        tails = [long[1500 + shift + 17 * i :][:OWN] for i in range(SHARING)]
        shared = [long[200 + shift :][:BEGINNING] + tail for tail in tails]
        apart = [long[700 + shift + 61 * i :][: BEGINNING + OWN] for i in range(SHARING)]
        self.figures["beginnings"] = {
            name: self._generate(prompts, 2)["first_s"]
            for name, prompts in (("apart", apart), ("shared", shared))
        }

    def _repeats(self) -> None:
        """The text has begun to say a passage again."""
        ways = {"repeats": False} | ({"repeats_plainly": True} if self.contender.ours else {})
        runs: dict = {figure: [] for figure in ways}
        for i in range(self.model.repeats):
            passage = self._prompt(PASSAGE, 30 + 20 * i)
            for figure, plainly in ways.items():
                answer = self._generate([passage + passage[:AGAIN]], REPEATED, plainly)
                runs[figure].append((answer["seconds"], answer["first_s"]))
        self.figures |= runs

    def _quality(self) -> None:
        answer = self.worker.ask(
            do="quality", texts=self.about["texts"], reference=str(self.folder / "reference.npy"),
            is_reference=self.contender.label == BASELINE,
        )  # fmt: skip
        self.figures["quality"] = {key: answer[key] for key in ("mean_kl", "top1", "positions")}
