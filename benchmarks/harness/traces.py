"""Traces of arriving requests: made, read, and what an engine made of them. Pure functions.

A trace is a file of JSON lines in the order of arrival:

    {"arrival_s": 0.31, "prompt_tokens": 57, "new_tokens": 32}
"""

import json
import math
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles

SATURATED = 0.85  # below this share of the offered tokens per second an engine does not keep up
BURST = 8  # requests


@dataclass(frozen=True)
class Request:
    arrival_s: float
    prompt_tokens: int
    new_tokens: int


def _some(generator: random.Random, middle: float, sigma: float, least: int, most: int) -> int:
    """Lognormal, within bounds."""
    return round(min(max(generator.lognormvariate(math.log(middle), sigma), least), most))


def make(kind: str, requests: int, rate: float, seed: int) -> list[Request]:
    """`rate` requests a second in the mean. Kinds: "poisson" (lengths that differ little), "bursts"
    (8 at once), "long-tails" (few prompts and answers are ten times as long as most)."""
    generator, time, result = random.Random(seed), 0.0, []
    for number in range(requests):
        if kind == "bursts":
            time += generator.expovariate(rate / BURST) if number % BURST == 0 else 0.0
        else:
            time += generator.expovariate(rate)
        if kind == "long-tails":
            lengths = _some(generator, 48, 1.0, 4, 1024), _some(generator, 24, 0.8, 4, 256)
        else:
            lengths = generator.randint(16, 128), generator.randint(16, 64)
        result.append(Request(round(time, 4), *lengths))
    return result


KINDS = ("poisson", "bursts", "long-tails")


def write(path: Path, requests: list[Request]) -> None:
    path.write_text("".join(json.dumps(asdict(request)) + "\n" for request in requests))


def read(path: Path) -> list[Request]:
    """Raises ValueError, which names the line and what is wrong with it."""
    result: list[Request] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path}, line {number}"
        try:
            request = Request(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{where}: {error}; allowed are arrival_s, prompt_tokens and "
                             "new_tokens as one JSON object") from None  # fmt: skip
        time = request.arrival_s
        if not isinstance(time, int | float) or not 0 <= time < math.inf:
            raise ValueError(f"{where}: arrival_s is {time!r}; allowed is a number from 0")
        if result and time < result[-1].arrival_s:
            raise ValueError(f"{where}: arrives before the line above; sort by arrival_s")
        for name in ("prompt_tokens", "new_tokens"):
            if type(value := getattr(request, name)) is not int or value < 1:
                raise ValueError(f"{where}: {name} is {value!r}; allowed is an integer from 1")
        result.append(request)
    if not result:
        raise ValueError(f"{path} has no requests")
    return result


def quantile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if values[1:] else values[0]


def summarise(requests: list[Request], load: float, served: list[list[float]]) -> dict:
    """What came of a trace whose times were divided by `load`.

    served: of each request, seconds from the trace's start to its first and its last token.
    """
    tokens = sum(request.new_tokens for request in requests)
    arrivals = [request.arrival_s / load for request in requests]
    span = max(arrivals[-1], 1e-9)
    waits = [first - arrival for (first, _), arrival in zip(served, arrivals, strict=True)]
    steps = [
        (last - first) / (request.new_tokens - 1)
        for request, (first, last) in zip(requests, served, strict=True)
        if request.new_tokens > 1
    ]
    offered = tokens / span
    throughput = tokens / max(last for _, last in served)
    figures = {
        "load": load, "requests_per_s": len(requests) / span, "offered_tokens_per_s": offered,
        "tokens_per_s": throughput,
    }  # fmt: skip
    for name, values in (("first_token_s", waits), ("token_s", steps)):
        if values:
            figures[name] = {f"p{p}": quantile(values, p) for p in (50, 99)}
    return figures


def middle(rounds: list[dict]) -> dict:
    """One load's figures: the median of its rounds, each by itself."""

    def of(values: list) -> dict | float:
        if isinstance(values[0], dict):
            return {key: of([value[key] for value in values]) for key in values[0]}
        return median(values)

    row = of(rounds)
    return row | {"keeps_up": row["tokens_per_s"] >= SATURATED * row["offered_tokens_per_s"]}


def saturation(rows: list[dict]) -> float | None:
    """The requests per second of the least load with which the engine does not keep up."""
    beyond = [row["requests_per_s"] for row in rows if not row["keeps_up"]]
    return min(beyond, default=None)
