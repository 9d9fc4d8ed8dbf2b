"""ModelManager: many models, two backends, one call."""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from mm_orch import _core
from mm_orch._core import ExportResult, GenerationResult, ScoreResult
from mm_orch.exceptions import ConfigurationError, InvalidInputError
from mm_orch.runtime.generation_options import GenerationOptions, check_option_names

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

StrPath = str | os.PathLike[str]


class ModelManager:
    """Loads many models, keeps the useful ones in memory, chooses the backend, generates text.

    If OpenVINO is missing, breaks or lacks the model, the answer comes from PyTorch, and the event
    is recorded (`get_fallback_events`) and logged (logger ``mm_orch``).

    Thread-safe: the GIL is released while the library works. A model in use is never evicted.
    Ctrl-C stops a generation with KeyboardInterrupt.
    """

    def __init__(
        self,
        backend: str | None = None,
        backend_config: StrPath | Mapping[str, Any] | None = None,
        max_cached_models: int = 3,
        default_device: str = "auto",
        residency_seconds: float = 30.0,
        max_cached_bytes: int | None = None,
    ) -> None:
        """Makes a manager; loads no model.

        Args:
            backend: "pytorch" or "openvino"; wins over the configuration's ``default``. None: the
                configuration's, else "pytorch".
            backend_config: path of a YAML file (``config/backend.yaml``) or the configuration
                itself, with or without the outer ``backend`` level. None: no file is read.
            max_cached_models: models kept at most, >= 1.
            default_device: for models whose configuration names none: "auto", "cpu", "GPU" ...
            residency_seconds: a model idle for longer may go when room is needed, > 0.
            max_cached_bytes: bytes of weights kept at most, >= 1, measured once a model is loaded
                (which may take more for the moment). None: no such limit.

        Raises:
            ConfigurationError: naming file, key, what was found and what is allowed.
        """
        config_path = config_text = None
        if isinstance(backend_config, Mapping):
            config_text = _config_text(backend_config)
        elif backend_config is not None:
            config_path = os.fspath(backend_config)
        self._core = _core.ModelManager(
            backend=backend,
            config_path=config_path,
            config_text=config_text,
            max_cached_models=max_cached_models,
            max_cached_bytes=max_cached_bytes,
            default_device=default_device,
            residency_s=residency_seconds,
        )

    def load_model(
        self,
        name: StrPath,
        source: str = "transformers",
        *,
        backend_override: str | None = None,
        device: str | None = None,
    ) -> None:
        """Loads a model and makes it ready, warm-up included. Loading a loaded one does nothing.

        Args:
            name: a folder with config.json, a .gguf file, or a name that is looked up in
                ``models/``, then in the Hugging Face cache, then on the hub. The same string is
                the key for every other call.
            source: where it comes from; "transformers" is the only source.
            backend_override: wins over the configuration and the constructor's backend.
            device: wins over the configuration's device.

        Raises:
            ModelNotFoundError: naming each place that was looked at.
            ModelLoadError: the files are damaged, or the architecture is one we lack.
            OutOfMemoryError: the memory is not there, or the model alone is larger than
                max_cached_bytes; what was loaded before stays.
            BackendError: the backend failed and fallback is off.
            InvalidInputError: unknown source or backend, or a malformed name.
        """
        self._core.load_model(os.fspath(name), source, backend_override, device)

    @overload
    def generate(self, name: StrPath, prompt: str, **options: Unpack[GenerationOptions]) -> str: ...
    @overload
    def generate(
        self,
        name: StrPath,
        prompt: list[str] | tuple[str, ...],
        **options: Unpack[GenerationOptions],
    ) -> list[str]: ...
    def generate(
        self,
        name: StrPath,
        prompt: str | list[str] | tuple[str, ...],
        **options: Unpack[GenerationOptions],
    ) -> str | list[str]:
        """The prompt followed by its continuation; a list of prompts gives a list.

        An encoder-decoder model (T5) reads the prompt as its source; then the new text comes alone.

        Args:
            name: a loaded model.
            prompt: one prompt, or a batch.
            **options: see GenerationOptions.

        Raises:
            InvalidInputError: the model is not loaded, the prompt is empty or longer than the
                context, or an option is outside its range.
            ConfigurationError: the draft model cannot guess for this one.
            InferenceError: the forward pass failed on every backend.
            TypeError: an unknown option, or one of the wrong type.
        """
        check_option_names(options)
        if isinstance(prompt, str):
            return self._core.generate(os.fspath(name), prompt, options)
        results = self._core.generate_batch(os.fspath(name), prompt, options)
        return [
            text + result.text if result.continues_prompt else result.text
            for text, result in zip(prompt, results, strict=True)
        ]

    @overload
    def generate_tokens(
        self, name: StrPath, prompt: Sequence[int], **options: Unpack[GenerationOptions]
    ) -> GenerationResult: ...
    @overload
    def generate_tokens(
        self, name: StrPath, prompt: Sequence[Sequence[int]], **options: Unpack[GenerationOptions]
    ) -> list[GenerationResult]: ...
    def generate_tokens(
        self,
        name: StrPath,
        prompt: Sequence[int] | Sequence[Sequence[int]],
        **options: Unpack[GenerationOptions],
    ) -> GenerationResult | list[GenerationResult]:
        """Generates from token ids, each in [0, V); a list of prompts gives a list.

        Options and errors as for `generate`. `stream` is called with ``(index, piece)`` for a list
        of prompts, with ``(piece)`` for one.
        """
        check_option_names(options)
        if len(prompt) > 0 and not hasattr(prompt[0], "__index__"):
            return self._core.generate_tokens(os.fspath(name), prompt, options, True)
        return self._core.generate_tokens(os.fspath(name), [prompt], options, False)[0]

    def embed(
        self,
        name: StrPath,
        texts: str | Sequence[str],
        pooling: Literal["mean", "cls"] = "mean",
        normalize: bool = False,
        truncate: bool = False,
    ) -> "npt.NDArray[np.float32]":
        """Vectors of texts, from an encoder (BERT, MiniLM and their kind).

        Args:
            name: a loaded model.
            texts: B texts, or a single one.
            pooling: "mean" of all tokens' vectors (Reimers and Gurevych 2019), or "cls", the first
                token's.
            normalize: scale each vector to length 1.
            truncate: cut a text at the model's longest length instead of refusing it.

        Returns:
            float32 [B, H]; [H] for a single text.

        Raises:
            InvalidInputError: the model is no encoder, or a text is longer than it takes.
        """
        single = isinstance(texts, str)
        inputs = [texts] if single else list(texts)
        vectors = self._core.embed(os.fspath(name), inputs, pooling, normalize, truncate)
        return vectors[0] if single else vectors

    def infer(
        self,
        name: StrPath,
        texts: str | Sequence[str],
        pairs: str | Sequence[str] | None = None,
        truncate: bool = False,
    ) -> "npt.NDArray[np.float32]":
        """Scores of the classes that a model with a classification head knows.

        Softmax over the last axis gives probabilities; ``get_model_info(name)["labels"]`` names
        the classes.

        Args:
            name: a loaded model.
            texts: B texts, or a single one.
            pairs: the second text of each, for models that judge pairs.
            truncate: cut a text (of a pair, the longer one first) at the model's longest length
                instead of refusing it.

        Returns:
            float32 [B, labels]; [labels] for a single text.

        Raises:
            InvalidInputError: the model has no classification head, or a text is longer than it
                takes.
        """
        single = isinstance(texts, str)
        inputs = [texts] if single else list(texts)
        seconds = [] if pairs is None else [pairs] if isinstance(pairs, str) else list(pairs)
        scores = self._core.infer(os.fspath(name), inputs, seconds, truncate)
        return scores[0] if single else scores

    def score(
        self,
        name: StrPath,
        text: str | Sequence[int],
        *,
        with_logits: bool = False,
        stepwise: bool = False,
    ) -> ScoreResult:
        """How likely the model finds a text, or given token ids.

        Args:
            name: a loaded model.
            text: the text, or its T token ids.
            with_logits: also give the logits, float32 [T, V].
            stepwise: feed token by token through the KV cache instead of in one pass.

        Returns:
            tokens int64 [T]; log_probabilities float32 [T-1], of token t+1 given tokens 0..t;
            logits float32 [T, V] or None.
        """
        if isinstance(text, str):
            return self._core.score(os.fspath(name), text, with_logits, stepwise)
        return self._core.score_tokens(os.fspath(name), text, with_logits, stepwise)

    def tokenize(self, name: StrPath, text: str, add_special_tokens: bool = True) -> list[int]:
        """The token ids of a text. Special tokens are added where the model's tokenizer does."""
        return self._core.tokenize(os.fspath(name), text, add_special_tokens)

    def detokenize(
        self, name: StrPath, tokens: Sequence[int], skip_special_tokens: bool = True
    ) -> str:
        """The text of token ids."""
        return self._core.detokenize(os.fspath(name), tokens, skip_special_tokens)

    def apply_chat_template(
        self,
        name: StrPath,
        messages: Sequence[Mapping[str, str]],
        add_generation_prompt: bool = True,
    ) -> str:
        """The model's own chat template applied to ``{"role": ..., "content": ...}`` messages.

        Raises:
            InvalidInputError: a message lacks role or content, or the model has no template.
        """
        pairs = []
        for index, message in enumerate(messages):
            unknown = message.keys() ^ {"role", "content"}
            if unknown:
                raise InvalidInputError(
                    f"message {index} has the keys {sorted(message)}; "
                    "exactly 'role' and 'content' are allowed"
                )
            pairs.append((message["role"], message["content"]))
        return self._core.apply_chat_template(os.fspath(name), pairs, add_generation_prompt)

    def register_model(self, name: str, path: StrPath) -> None:
        """From now on the name stands for the path in this manager.

        It works wherever a name does, and its exports lie under ``<cache_dir>/<name>``. A name that
        was registered before moves; a model that is loaded under it stays until `load_model` is
        called again.

        Args:
            name: letters, digits, "_", "-" and ".", with at most one "/" and no "..".
            path: a folder with config.json or a .gguf file, a .gguf file, or an .xml file.

        Raises:
            InvalidInputError: the name is malformed.
            ModelNotFoundError: nothing is at the path, or no model.
        """
        self._core.register_model(name, os.fspath(path))

    def reload_config(self, backend_config: StrPath | Mapping[str, Any] | None = None) -> None:
        """Reads the configuration again and puts it in force, all or nothing.

        After an error the old one stays. A file that is gone means the defaults (PyTorch) and one
        warning. Models that are loaded keep what they were loaded with; `load_model` loads them
        anew if the settings of their backend have changed.

        Args:
            backend_config: a path or the configuration itself, as for the constructor. None: the
                file that was given last.

        Raises:
            ConfigurationError: naming file, line, key, what was found and what is allowed.
            InvalidInputError: None is given, and there is no file to read again.
        """
        if isinstance(backend_config, Mapping):
            self._core.replace_config(_config_text(backend_config))
        else:
            path = None if backend_config is None else os.fspath(backend_config)
            self._core.reload_config(path)

    def export_model(
        self,
        name: StrPath,
        precision: str = "FP32",
        output: StrPath | None = None,
        progress: Callable[[int, int, str], object] | None = None,
        check: bool = True,
        force: bool = False,
        tune: bool = False,
    ) -> ExportResult:
        """Exports a model to OpenVINO IR; it need not be loaded.

        The result is then compared with PyTorch on fixed prompts, with both in memory. The report
        is in ``ExportResult.fidelity`` and beside the model as ``<name>.fidelity.json``. A model
        that fails is kept, but `load_model` refuses it.

        Args:
            name: as for `load_model`.
            precision: "FP32", "FP16", "INT8" or "INT4".
            output: the folder. None: ``<cache_dir>/<name>``, ``models/openvino/<name>``.
            progress: called with (done, total, what) as weights are converted, then as the check
                goes on.
            check: False leaves the comparison out.
            force: a model that fails the check is loaded all the same.
            tune: then do as `tune_model`; the report is in ``ExportResult.tuning``. What cannot be
                tuned is logged.

        Raises:
            BackendError: OpenVINO is missing, or a file cannot be written.
            ModelNotFoundError, ModelLoadError: as for `load_model`.
        """
        folder = None if output is None else os.fspath(output)
        return self._core.export_model(
            os.fspath(name), precision, folder, progress, check, force, tune
        )

    def tune_model(
        self, name: StrPath, progress: Callable[[int, int, str], object] | None = None
    ) -> dict:
        """Finds the fastest settings of an exported model on this machine, by measuring.

        Settings are tried in turns on a small request. Those that change the arithmetic are kept
        only within half the divergence that an export of the model's precision may have from
        PyTorch; FP32 stays f32. The result lies beside the model as
        ``<name>.tuning.json``; it is used from the next load on, on this machine and with these
        versions alone. What the configuration says wins over it.

        Args:
            name: as for `load_model`; the model is exported.
            progress: called with (done, total, what) as settings are tried.

        Returns:
            What the file holds: "settings", "summary", "trials", ...

        Raises:
            InvalidInputError: the model has an encoder alone.
            ModelNotFoundError, ModelLoadError: as for `load_model`.
            OutOfMemoryError: there is no memory for the model twice.
            BackendError: OpenVINO is missing, or the file cannot be written.
        """
        return self._core.tune_model(os.fspath(name), progress)

    def unload_model(self, name: StrPath) -> bool:
        """Frees a model once nothing uses it; False if it was not loaded."""
        return self._core.unload_model(os.fspath(name))

    def unload_all(self) -> None:
        """Frees every model once nothing uses it."""
        self._core.unload_all()

    def is_loaded(self, name: StrPath) -> bool:
        """True if the model is in memory."""
        return self._core.is_loaded(os.fspath(name))

    def get_cached_models(self) -> list[str]:
        """The models in memory, most recently used first."""
        return self._core.get_cached_models()

    def pin_model(self, name: StrPath, pinned: bool = True) -> None:
        """Keeps a loaded model from eviction (not from unload_model), or ends that.

        Raises:
            InvalidInputError: the model is not loaded.
        """
        self._core.pin_model(os.fspath(name), pinned)

    def cleanup_stale(self) -> int:
        """Frees the models idle for longer than residency_seconds; returns how many.

        A model that is pinned or in use stays.
        """
        return self._core.cleanup_stale()

    def get_cache_info(self) -> dict[str, Any]:
        """What is in memory.

        Keys: max_cached_models, max_cached_bytes (None: no limit), residency_seconds, memory_bytes
        (of all), models: a list, most recently used first, of dicts with name, backend,
        memory_bytes, idle_seconds, in_use and pinned.
        """
        return self._core.get_cache_info()

    def get_scheduling_stats(self, model: str) -> dict[str, Any] | None:
        """How the requests to a loaded model shared its steps and its KV cache.

        Keys: steps, step_sequences (texts in a step, sum over the steps), computed_tokens,
        shared_tokens (not computed: an earlier text had the same beginning), preemptions (texts
        whose cache was taken for others and computed again), waiting_s (for room, sum over the
        requests); and now: waiting and active (requests without and with room), blocks,
        blocks_taken. None: its sessions share no steps (an encoder; T5 on a GPU).

        Raises:
            InvalidInputError: the model is not loaded.
        """
        return self._core.get_scheduling_stats(model)

    def get_model_info(self, name: StrPath) -> dict[str, Any]:
        """What is known of a loaded model.

        Keys: name, architecture, path, backend (that serves it), device, precision ("FP32"),
        context_length and vocabulary_size (tokens), memory_bytes.
        """
        return self._core.get_model_info(os.fspath(name))

    @overload
    def get_performance_stats(self) -> dict[str, dict[str, Any]]: ...
    @overload
    def get_performance_stats(
        self, backend: str, *, model: StrPath | None = None
    ) -> dict[str, Any]: ...
    def get_performance_stats(
        self, backend: str | None = None, *, model: StrPath | None = None
    ) -> dict[str, Any]:
        """Figures of one backend, or of all that have run, keyed by backend.

        Args:
            backend: "pytorch" or "openvino"; None: all that have run.
            model: of this model alone, on the backend that is named; None: of all models together.

        Keys: avg_latency, p50_latency, p95_latency, p99_latency and time_to_first_token (seconds),
        avg_throughput (new tokens per second), sample_count (generations), fallback_count. The
        figures of a backend that has not run are NaN, its sample_count is 0. Quantiles are within
        1%.
        """
        if backend is not None:
            name = None if model is None else os.fspath(model)
            return self._core.get_performance_stats(backend, name)
        if model is not None:
            raise TypeError("get_performance_stats(model=...) needs a backend, too")
        return self._core.get_all_performance_stats()

    def get_usage_stats(self) -> dict[str, dict[str, Any]]:
        """How much each model was used since the manager was made, keyed by model.

        Keys: loads, generations (calls of generate that gave an answer, a batch being one),
        prompt_tokens, new_tokens, last_used (Unix time of the last call that needed the model),
        loaded_since (Unix time; None if it is not in memory now).
        """
        return self._core.get_usage_stats()

    def compare_backends(self, first: str, second: str) -> dict[str, Any]:
        """Runs the last prompts of the model used last on both backends, and compares.

        At most 8 prompts are kept, in memory only (``statistics: {keep_prompts: false}`` keeps
        none). All figures come from runs made for the comparison: greedy, in turn, warm-up
        excluded; 8 generations of each, with memory for the model on either backend meanwhile.

        Keys: model; latency_improvement (latency of the first / of the second: above 1, the second
        is faster), latency_interval (its 95% confidence interval), throughput_improvement,
        ``<backend>_stats`` (as get_performance_stats), ``<backend>_precision`` ("FP32"),
        ``<backend>_memory_bytes``, first_difference (index of the first new token that differs,
        None if all are equal).

        Raises:
            InvalidInputError: nothing was generated yet, or the backends are the same.
            BackendError: a backend cannot serve the model.
        """
        return self._core.compare_backends(first, second)

    def get_fallback_events(self) -> list[dict[str, Any]]:
        """Each time a backend gave way to another.

        Keys: time (Unix, seconds), model, from_backend, to_backend, reason (a closed list of
        codes, "model_not_exported"), message.
        """
        return self._core.get_fallback_events()


_process_lock = threading.Lock()
_process_manager: ModelManager | None = None


def get_model_manager() -> ModelManager:
    """The manager of the process, made at the first call with the constructor's defaults.

    Thread-safe.
    """
    global _process_manager
    with _process_lock:
        if _process_manager is None:
            _process_manager = ModelManager()
        return _process_manager


def configure_model_manager(**options: Any) -> ModelManager:
    """Puts a new manager in the place of the process's, and unloads what the old one holds.

    All or nothing: after an error the old one stays. Thread-safe; who still has the old one can go
    on with it.

    Args:
        **options: of ModelManager.

    Raises:
        ConfigurationError: see ModelManager.
    """
    global _process_manager
    manager = ModelManager(**options)
    with _process_lock:
        old, _process_manager = _process_manager, manager
    if old is not None:
        old.unload_all()
    return manager


def _config_text(config: Mapping[str, Any]) -> str:
    """A configuration dict as JSON; paths in it become strings."""
    try:
        return json.dumps(config, default=os.fspath, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"backend_config holds a value that YAML cannot express: {error}; "
            "allowed are dict, list, str, path, int, float, bool and None"
        ) from None
