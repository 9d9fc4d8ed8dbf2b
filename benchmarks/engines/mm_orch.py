"""mm_orch through its Python package."""

import time


def import_engine() -> None:
    import mm_orch.runtime.model_manager  # noqa: F401


class Engine:
    """Options: backend; settings, as under the backend's name in a configuration."""

    def __init__(self, model: str, options: dict):
        from mm_orch.runtime.model_manager import ModelManager

        backend, config = options["backend"], {"openvino": {"enable_fallback": False}}
        config[backend] = config.get(backend, {}) | options["settings"]
        self.manager = ModelManager(backend=backend, backend_config=config)
        self.model = model
        self.manager.load_model(model)

    def generate(self, prompts: list[list[int]], new_tokens: int) -> float:
        start = time.perf_counter()
        results = self.manager.generate_tokens(
            self.model, prompts, max_new_tokens=new_tokens, do_sample=False, eos_token_id=[]
        )
        assert all(len(result.new_tokens) == new_tokens for result in results)
        return start + max(result.time_to_first_token_s for result in results)

    def logits(self, tokens: list[int]):
        return self.manager.score(self.model, tokens, with_logits=True, stepwise=True).logits

    def tokenize(self, text: str) -> list[int]:
        return self.manager.tokenize(self.model, text)
