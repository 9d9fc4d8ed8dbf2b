"""Arriving requests: traces, what is made of them, and a worker that serves them."""

import sys
from pathlib import Path
from statistics import mean, median

import pytest
from harness import traces
from harness.process import Worker
from harness.traces import Request


@pytest.mark.parametrize("kind", traces.KINDS)
def test_a_trace_is_the_same_for_a_seed_and_has_the_rate(kind, tmp_path):
    requests = traces.make(kind, requests=2000, rate=5.0, seed=3)
    assert requests == traces.make(kind, requests=2000, rate=5.0, seed=3)
    assert requests != traces.make(kind, requests=2000, rate=5.0, seed=4)
    assert 2000 / requests[-1].arrival_s == pytest.approx(5.0, rel=0.2)
    traces.write(tmp_path / "trace.jsonl", requests)
    assert traces.read(tmp_path / "trace.jsonl") == requests


def test_bursts_come_at_once_and_long_tails_are_long():
    bursts = traces.make("bursts", requests=64, rate=5.0, seed=1)
    assert len({request.arrival_s for request in bursts}) == 64 / traces.BURST
    lengths = [r.prompt_tokens for r in traces.make("long-tails", 2000, rate=5.0, seed=1)]
    assert mean(lengths) > 1.3 * median(lengths)
    assert max(lengths) > 10 * median(lengths)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2"),
        ('{"arrival_s": 1, "prompt_tokens": 4}', "new_tokens"),
        ('{"arrival_s": 1, "prompt_tokens": 4, "new_tokens": 2, "user": 1}', "user"),
        ('{"arrival_s": 0.1, "prompt_tokens": 4, "new_tokens": 2}', "sort by arrival_s"),
        ('{"arrival_s": NaN, "prompt_tokens": 4, "new_tokens": 2}', "arrival_s is nan"),
        ('{"arrival_s": "1", "prompt_tokens": 4, "new_tokens": 2}', "arrival_s is '1'"),
        ('{"arrival_s": 1, "prompt_tokens": 0, "new_tokens": 2}', "prompt_tokens is 0"),
        ('{"arrival_s": 1, "prompt_tokens": 4, "new_tokens": 2.5}', "new_tokens is 2.5"),
    ],
)
def test_a_bad_line_is_named(line, message, tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text('{"arrival_s": 0.5, "prompt_tokens": 4, "new_tokens": 2}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"line 2: .*") as error:
        traces.read(path)
    assert message in str(error.value)


def test_a_trace_needs_a_request(tmp_path):
    (tmp_path / "trace.jsonl").write_text("")
    with pytest.raises(ValueError, match="has no requests"):
        traces.read(tmp_path / "trace.jsonl")


def test_figures_count_from_the_arrival_at_the_played_speed():
    requests = [Request(0.0, 8, 11), Request(2.0, 8, 11), Request(4.0, 8, 1)]
    row = traces.summarise(requests, 2.0, [[0.5, 1.5], [1.25, 1.75], [2.5, 2.5]])
    assert row["requests_per_s"] == 1.5
    assert row["offered_tokens_per_s"] == 11.5
    assert row["tokens_per_s"] == pytest.approx(23 / 2.5)
    assert row["first_token_s"]["p50"] == 0.5
    assert row["token_s"]["p50"] == pytest.approx((0.1 + 0.05) / 2)


def test_a_load_is_the_middle_of_its_rounds():
    rounds = [
        {"offered_tokens_per_s": 100.0, "tokens_per_s": rate, "first_token_s": {"p50": first}}
        for rate, first in ((90.0, 3.0), (10.0, 1.0), (80.0, 2.0))
    ]
    row = traces.middle(rounds)
    assert (row["tokens_per_s"], row["first_token_s"]["p50"]) == (80, 2)
    assert not row["keeps_up"]
    assert traces.middle(rounds[:1])["keeps_up"]


def test_an_engine_saturates_at_the_least_load_that_it_does_not_bear():
    rows = [
        {"requests_per_s": rate, "keeps_up": keeps} for rate, keeps in ((4, 1), (8, 0), (16, 0))
    ]
    assert traces.saturation(rows) == 8
    assert traces.saturation(rows[:1]) is None


def test_a_worker_serves_requests_as_they_arrive(tiny_model):
    arrivals = [[0.0, [1, 2, 3], 4], [0.05, [4, 5], 6], [0.3, [6, 7, 8, 9], 1]]
    options = {"backend": "pytorch", "settings": {}}
    with Worker(Path(sys.executable), [], "mm_orch", Path(tiny_model), options) as worker:
        served = worker.ask(do="serve", arrivals=arrivals)["served"]
    for (due, _, new_tokens), (first, last) in zip(arrivals, served, strict=True):
        assert due < first <= last
        assert new_tokens == 1 or first < last
