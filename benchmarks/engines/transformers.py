"""transformers on PyTorch: eager, or compiled."""

import time


def import_engine() -> None:
    import torch  # noqa: F401
    import transformers  # noqa: F401


class FirstToken:
    """A streamer that notes when the first new token arrives; the first put is the prompt."""

    def __init__(self):
        self.times = []

    def put(self, value) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        pass


class Engine:
    """Options: dtype; compile; sources: the prompts are a T5's sources."""

    def __init__(self, model: str, options: dict):
        import torch
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

        self.torch = torch
        kind = AutoModelForSeq2SeqLM if options.get("sources") else AutoModelForCausalLM
        self.network = kind.from_pretrained(model, dtype=getattr(torch, options["dtype"])).eval()
        self.is_exact = options["dtype"] == "float32"
        self.cache = {}
        if options.get("compile"):
            self.network.forward = torch.compile(self.network.forward, dynamic=False)
            self.cache = {"cache_implementation": "static", "disable_compile": True}

    def generate(self, prompts: list[list[int]], new_tokens: int) -> float:
        streamer = FirstToken()
        # transformers streams one sequence only; of a batch the first token's time is not asked.
        stream = {"streamer": streamer} if len(prompts) == 1 else {}
        ids = self.torch.tensor(prompts)
        start = time.perf_counter()
        with self.torch.inference_mode():
            output = self.network.generate(
                ids, attention_mask=self.torch.ones_like(ids), max_new_tokens=new_tokens,
                min_new_tokens=new_tokens, do_sample=False, pad_token_id=0, **stream, **self.cache,
            )  # fmt: skip
        assert output.shape[1] >= new_tokens
        return streamer.times[1] if stream else start

    def logits(self, tokens: list[int]):
        import numpy as np

        rows, past = [], None
        with self.torch.inference_mode():
            if self.is_exact:  # the reference, for which one pass is the same as steps
                return self.network(self.torch.tensor([tokens])).logits[0].numpy()
            for token in tokens:
                step = self.network(
                    self.torch.tensor([[token]]), past_key_values=past, use_cache=True
                )
                past = step.past_key_values
                rows.append(step.logits[0, -1].float().numpy())
        return np.stack(rows)
