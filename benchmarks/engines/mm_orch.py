"""mm_orch through its Python package."""

import time
from concurrent.futures import ThreadPoolExecutor


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

    def generate(self, prompts: list[list[int]], new_tokens: int, **options) -> float:
        start = time.perf_counter()
        results = self.manager.generate_tokens(
            self.model,
            prompts,
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=[],
            **options,
        )
        assert all(len(result.new_tokens) == new_tokens for result in results)
        return start + max(result.time_to_first_token_s for result in results)

    def generate_plainly(self, prompts: list[list[int]], new_tokens: int) -> float:
        return self.generate(prompts, new_tokens, prompt_lookup=False)

    def serve(self, arrivals: list[tuple[float, list[int], int]]) -> list[list[float]]:
        """Each request is a caller in a thread of its own."""
        start = time.perf_counter()

        def call(arrival: tuple[float, list[int], int]) -> list[float]:
            due, prompt, new_tokens = arrival
            time.sleep(max(0.0, start + due - time.perf_counter()))
            called = time.perf_counter() - start
            result = self.manager.generate_tokens(
                self.model, prompt, max_new_tokens=new_tokens, do_sample=False, eos_token_id=[]
            )
            return [called + result.time_to_first_token_s, time.perf_counter() - start]

        with ThreadPoolExecutor(len(arrivals)) as pool:
            return list(pool.map(call, arrivals))

    def logits(self, tokens: list[int]):
        return self.manager.score(self.model, tokens, with_logits=True, stepwise=True).logits

    def tokenize(self, text: str) -> list[int]:
        return self.manager.tokenize(self.model, text)
