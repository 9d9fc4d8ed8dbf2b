"""openvino-genai's pipelines on the IR that optimum-cli exported.

They give no logits. Their quality is that of the same IR and settings in optimum-intel.
"""

import time


def import_engine() -> None:
    import numpy  # noqa: F401
    import openvino_genai  # noqa: F401


class Engine:
    """Options: ov_config; batching: continuous batching with these settings of its scheduler;
    lookup: prompt lookup."""

    def __init__(self, model: str, options: dict):
        import openvino_genai

        self.genai = openvino_genai
        self.batching, self.lookup = options.get("batching"), options.get("lookup", False)
        properties = options["ov_config"]
        if self.batching is not None:
            scheduler = openvino_genai.SchedulerConfig()
            for key, value in self.batching.items():
                setattr(scheduler, key, value)
            self.pipeline = openvino_genai.ContinuousBatchingPipeline(
                model, scheduler, "CPU", properties
            )
        else:
            more = {"prompt_lookup": True} if self.lookup else {}
            self.pipeline = openvino_genai.LLMPipeline(model, "CPU", **properties, **more)

    def config(self, new_tokens: int):
        config = self.genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = new_tokens
        config.do_sample = False
        config.ignore_eos = True
        config.apply_chat_template = False
        if self.lookup:
            config.num_assistant_tokens, config.max_ngram_size = 5, 3  # of its own sample
        return config

    def generate(self, prompts: list[list[int]], new_tokens: int) -> float:
        import numpy as np
        import openvino

        config, ids = self.config(new_tokens), np.array(prompts, dtype=np.int64)
        if self.batching is not None:
            return self.step_all(ids, config)
        inputs = self.genai.TokenizedInputs(
            openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids))
        )
        start = time.perf_counter()
        results = self.pipeline.generate(inputs, config)
        assert all(len(tokens) == new_tokens for tokens in results.tokens)
        return start + results.perf_metrics.get_ttft().mean / 1e3

    def serve(self, arrivals: list[tuple[float, list[int], int]]) -> list[list[float]]:
        """One thread takes what has arrived, then steps."""
        import numpy as np
        import openvino

        waiting, running, times = list(enumerate(arrivals))[::-1], {}, [[] for _ in arrivals]
        start = time.perf_counter()
        while waiting or running:
            while waiting and waiting[-1][1][0] <= time.perf_counter() - start:
                number, (_, prompt, new_tokens) = waiting.pop()
                ids = openvino.Tensor(np.array([prompt], np.int64))
                running[number] = self.pipeline.add_request(number, ids, self.config(new_tokens))
            if not running:
                time.sleep(max(0.0, start + waiting[-1][1][0] - time.perf_counter()))
                continue
            self.pipeline.step()
            now = time.perf_counter() - start
            for number, request in list(running.items()):
                while request.can_read():
                    times[number] += [now] * sum(
                        len(output.generated_ids) for output in request.read().values()
                    )
                if len(times[number]) >= arrivals[number][2]:
                    del running[number]
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()
        return [[some[0], some[-1]] for some in times]

    def step_all(self, ids, config) -> float:
        """As a server drives it; returns when the last request had its first token."""
        import openvino

        requests = [
            self.pipeline.add_request(i, openvino.Tensor(row[None].copy()), config)
            for i, row in enumerate(ids)
        ]
        counts, first = [0] * len(requests), 0.0
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()
            for i, request in enumerate(requests):
                while request.can_read():
                    counts[i] += sum(len(out.generated_ids) for out in request.read().values())
            if not first and all(counts):
                first = time.perf_counter()
        assert all(count == config.max_new_tokens for count in counts), counts
        return first
