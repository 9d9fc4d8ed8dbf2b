"""openvino-genai's LLMPipeline on the IR that optimum-cli exported.

It gives no logits. Its quality is that of the same IR and settings in optimum-intel.
"""

import time


def import_engine() -> None:
    import numpy  # noqa: F401
    import openvino_genai  # noqa: F401


class Engine:
    """Options: ov_config."""

    def __init__(self, model: str, options: dict):
        import openvino_genai

        self.genai = openvino_genai
        self.pipeline = openvino_genai.LLMPipeline(model, "CPU", **options["ov_config"])

    def generate(self, prompts: list[list[int]], new_tokens: int) -> float:
        import numpy as np
        import openvino

        config = self.genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = new_tokens
        config.do_sample = False
        config.ignore_eos = True
        config.apply_chat_template = False
        ids = np.array(prompts, dtype=np.int64)
        inputs = self.genai.TokenizedInputs(
            openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids))
        )
        start = time.perf_counter()
        results = self.pipeline.generate(inputs, config)
        assert all(len(tokens) == new_tokens for tokens in results.tokens)
        return start + results.perf_metrics.get_ttft().mean / 1e3
