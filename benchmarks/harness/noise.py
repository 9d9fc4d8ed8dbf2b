"""Is NEW slower than OLD, beyond what OLD differs from itself? Pure functions."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Verdict:
    """Of one figure; times, so that more is slower."""

    change: float  # median of NEW / OLD over the rounds, less 1
    noise: float  # the greatest difference between OLD and OLD again in a round
    slower: bool


def judge(old: list[float], new: list[float], again: list[float]) -> Verdict:
    """Each list has one time for each round; OLD and AGAIN are the same commit."""
    rounds = list(zip(old, new, again, strict=True))
    noise = max(max(a, b) / min(a, b) - 1 for a, _, b in rounds)
    change = median(n / ((a + b) / 2) for a, n, b in rounds) - 1
    return Verdict(change, noise, change > noise)


def instructions_of_a_round(few: int, many: int, rounds: tuple[int, int]) -> float:
    """From callgrind's totals of two runs of different length."""
    return (many - few) / (rounds[1] - rounds[0])
