"""A plain loop over an IR of ours in openvino itself: what our decode has to reach.

No manager, no scheduler, no paged cache, no guesses; the settings are those that the IR carries.
"""

import time
from pathlib import Path


def import_engine() -> None:
    import numpy  # noqa: F401
    import openvino  # noqa: F401


class Engine:
    def __init__(self, model: str, options: dict):
        import numpy as np
        import openvino

        self.np = np
        core = openvino.Core()
        (xml,) = Path(model).rglob("*.xml")
        self.compiled = core.compile_model(core.read_model(xml), "CPU")
        self.request = self.compiled.create_infer_request()
        self.names = {port.get_any_name() for port in self.compiled.inputs}

    def feed(self, tokens, past: int):
        """tokens [B, T] → logits [B, 1 or T, V]."""
        np = self.np
        rows, length = tokens.shape
        positions = np.arange(past, past + length, dtype=np.int64)
        inputs = {
            "input_ids": tokens,
            "attention_mask": np.ones((rows, past + length), np.int64),
            "position_ids": np.broadcast_to(positions, tokens.shape).copy(),
            "beam_idx": np.arange(rows, dtype=np.int32),
        }
        self.request.infer({name: inputs[name] for name in self.names})
        return self.request.get_output_tensor(0).data

    def generate(self, prompts: list[list[int]], new_tokens: int) -> float:
        np = self.np
        self.request.reset_state()
        tokens, past, first = np.array(prompts, np.int64), 0, 0.0
        for step in range(new_tokens):
            logits = self.feed(tokens, past)
            past += tokens.shape[1]
            tokens = logits[:, -1].argmax(-1, keepdims=True).astype(np.int64)
            if step == 0:
                first = time.perf_counter()
        return first

    def logits(self, tokens: list[int]):
        np = self.np
        self.request.reset_state()
        rows = [
            self.feed(np.array([[token]], np.int64), position)[0, -1].copy()
            for position, token in enumerate(tokens)
        ]
        return np.stack(rows)
