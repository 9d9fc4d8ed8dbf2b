"""CTranslate2 on a model that its own converter made."""

import time
from pathlib import Path


def import_engine() -> None:
    import ctranslate2  # noqa: F401


class Engine:
    """Options: compute_type; sources: the prompts are a T5's sources."""

    def __init__(self, model: str, options: dict):
        import json

        import ctranslate2

        self.ctranslate2 = ctranslate2
        self.sources = options.get("sources")
        kind = ctranslate2.Translator if self.sources else ctranslate2.Generator
        self.engine = kind(
            model, device="cpu", compute_type=options["compute_type"], inter_threads=1,
            intra_threads=options["threads"],
        )  # fmt: skip
        name = "shared_vocabulary.json" if self.sources else "vocabulary.json"
        self.vocabulary = json.loads((Path(model) / name).read_text())

    def generate(self, prompts: list[list[int]], new_tokens: int) -> float:
        words = [[self.vocabulary[token] for token in prompt] for prompt in prompts]
        times = []

        def note(step) -> bool:
            times.append(time.perf_counter())
            return False

        options = {"beam_size": 1, "end_token": [], "callback": note}
        if self.sources:
            results = self.engine.translate_batch(
                words, max_decoding_length=new_tokens, min_decoding_length=new_tokens, **options
            )
            lengths = [len(result.hypotheses[0]) for result in results]
        else:
            results = self.engine.generate_batch(
                words, max_length=new_tokens, min_length=new_tokens,
                include_prompt_in_result=False, **options,
            )  # fmt: skip
            lengths = [len(result.sequences_ids[0]) for result in results]
        assert all(length == new_tokens for length in lengths), lengths
        return times[0]

    def logits(self, tokens: list[int]):
        """In one pass: the engine gives no logits of its steps."""
        import numpy as np

        words = [self.vocabulary[token] for token in tokens]
        scores = self.engine.forward_batch([words])
        scores = scores.to(self.ctranslate2.DataType.float32)
        return np.array(scores)[0]
