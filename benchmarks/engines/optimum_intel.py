"""optimum-intel on OpenVINO IR that optimum-cli exported."""

import time

from engines.transformers import FirstToken


def import_engine() -> None:
    import optimum.intel  # noqa: F401


class Engine:
    """Options: ov_config; sources: the prompts are a T5's sources."""

    def __init__(self, model: str, options: dict):
        import torch
        from optimum.intel import OVModelForCausalLM, OVModelForSeq2SeqLM

        self.torch = torch
        kind = OVModelForSeq2SeqLM if options.get("sources") else OVModelForCausalLM
        self.network = kind.from_pretrained(model, device="CPU", ov_config=options["ov_config"])

    def generate(self, prompts: list[list[int]], new_tokens: int) -> float:
        streamer = FirstToken()
        stream = {"streamer": streamer} if len(prompts) == 1 else {}
        ids = self.torch.tensor(prompts)
        start = time.perf_counter()
        output = self.network.generate(
            ids, attention_mask=self.torch.ones_like(ids), max_new_tokens=new_tokens,
            min_new_tokens=new_tokens, do_sample=False, pad_token_id=0, **stream,
        )  # fmt: skip
        assert output.shape[1] >= new_tokens
        return streamer.times[1] if stream else start

    def logits(self, tokens: list[int]):
        import numpy as np

        rows, past = [], None
        for i, token in enumerate(tokens):
            step = self.network(
                self.torch.tensor([[token]]),
                attention_mask=self.torch.ones(1, i + 1, dtype=self.torch.int64),
                past_key_values=past,
            )
            past = step.past_key_values
            rows.append(np.array(step.logits[0, -1], dtype=np.float32))
        return np.stack(rows)
