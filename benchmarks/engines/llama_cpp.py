"""llama.cpp through its C API (the ctypes of llama-cpp-python), greedy sampling in C too."""

import ctypes
import time


def import_engine() -> None:
    import llama_cpp  # noqa: F401
    import numpy  # noqa: F401


class Engine:
    """Options: threads; context: tokens that all sequences hold together."""

    def __init__(self, model: str, options: dict):
        import llama_cpp

        self.api = llama_cpp
        llama_cpp.llama_log_set(silent(llama_cpp), ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        parameters = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(model.encode(), parameters)
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {model}")
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(
            llama_cpp.llama_model_get_vocab(self.model)
        )
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = options["context"]
        settings.n_batch = 2048
        settings.n_seq_max = 32
        settings.kv_unified = True
        settings.n_threads = settings.n_threads_batch = options["threads"]
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        self.batch = llama_cpp.llama_batch_init(2048, 0, 1)
        self.greedy = llama_cpp.llama_sampler_init_greedy()

    def feed(self, entries: list[tuple[int, int, int, bool]]) -> None:
        """Entries of (token, position, sequence, are logits wanted)."""
        batch = self.batch
        batch.n_tokens = len(entries)
        for i, (token, position, sequence, wanted) in enumerate(entries):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wanted
        code = self.api.llama_decode(self.context, batch)
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code}")

    def clear(self) -> None:
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)

    def generate(self, prompts: list[list[int]], new_tokens: int) -> float:
        self.clear()
        entries = [
            (token, position, sequence, position == len(prompt) - 1)
            for sequence, prompt in enumerate(prompts)
            for position, token in enumerate(prompt)
        ]
        self.feed(entries)
        places = [i for i, entry in enumerate(entries) if entry[3]]
        length, first = len(prompts[0]), 0.0
        for step in range(new_tokens):
            tokens = [
                self.api.llama_sampler_sample(self.greedy, self.context, place) for place in places
            ]
            if step == 0:
                first = time.perf_counter()
            if step + 1 < new_tokens:
                self.feed([(t, length + step, s, True) for s, t in enumerate(tokens)])
                places = list(range(len(tokens)))
        return first

    def logits(self, tokens: list[int]):
        import numpy as np

        self.clear()
        rows = []
        for position, token in enumerate(tokens):
            self.feed([(token, position, 0, True)])
            pointer = self.api.llama_get_logits_ith(self.context, 0)
            rows.append(np.ctypeslib.as_array(pointer, (self.vocabulary,)).copy())
        return np.stack(rows)


def silent(api):
    """A log callback that drops everything; kept alive by the function's attribute."""
    silent.callback = api.llama_log_callback(lambda level, text, data: None)
    return silent.callback
