"""A contender's process: what it answers, and how it fails."""

import sys
from pathlib import Path

import pytest
from engines.worker import clients, generate
from harness.process import EngineError, Worker

OPTIONS = {"backend": "pytorch", "settings": {}}


def start(engine: str, model: str, options: dict) -> Worker:
    return Worker(Path(sys.executable), [], engine, Path(model), options)


def test_it_generates_and_judges_its_own_logits(tiny_model, tmp_path):
    texts = [[1, 2, 3, 4, 5], [9, 8, 7]]
    reference = str(tmp_path / "reference.npy")
    with start("mm_orch", tiny_model, OPTIONS) as worker:
        assert worker.started["load_s"] > 0
        run = worker.ask(do="generate", prompts=[[1, 2, 3]] * 2, new_tokens=6)
        assert 0 < run["first_s"] < run["seconds"] < run["since_start_s"]
        assert 0 < run["anonymous_mb"] < run["peak_rss_mb"]
        asked = {"do": "quality", "texts": texts, "reference": reference}
        same = worker.ask(**asked, is_reference=True)
        assert (same["mean_kl"], same["top1"], same["positions"]) == (0, 1, 8)
        other = worker.ask(do="quality", texts=[[5, 4, 3, 2, 1], [7, 8, 9]], reference=reference,
                           is_reference=False)  # fmt: skip
        assert other["mean_kl"] > 0.01


def test_clients_ask_at_the_same_time(tiny_model):
    with start("mm_orch", tiny_model, OPTIONS) as worker:
        prompts = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]
        run = worker.ask(do="clients", prompts=prompts, new_tokens=4, threads=3)
        assert 0 < run["seconds"] < run["since_start_s"]


@pytest.mark.parametrize("ask", [generate, clients])
def test_what_is_asked_plainly_is_asked_so_of_engines_that_know_it(ask):
    asked = []

    class Plain:
        def generate(self, prompts, new_tokens):
            asked.append("as called")
            return 0.0

    class Guessing(Plain):
        def generate_plainly(self, prompts, new_tokens):
            asked.append("plainly")
            return 0.0

    request = {"prompts": [[1]], "new_tokens": 1, "threads": 1}
    for engine in (Plain(), Guessing()):
        for plainly in (False, True):
            ask(engine, request | {"plainly": plainly})
    assert asked == ["as called", "as called", "as called", "plainly"]


def test_an_error_of_the_engine_is_handed_on(tmp_path):
    with pytest.raises(EngineError, match="ModelNotFoundError: .*absent"):
        start("mm_orch", str(tmp_path / "absent"), OPTIONS)


def test_an_engine_that_is_missing_is_an_error_too(tiny_model):
    with pytest.raises(EngineError, match="ModuleNotFoundError"):
        start("no_such_engine", tiny_model, {})


def test_what_ends_without_a_word_is_an_error(tiny_model):
    with (
        start("mm_orch", tiny_model, OPTIONS) as worker,
        pytest.raises(EngineError, match="ended with -9"),
    ):
        worker.process.kill()
        worker.process.wait()
        worker._read()
