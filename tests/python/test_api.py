"""The Python face: shapes, errors, streaming, the GIL, Ctrl-C."""

import inspect
import json
import logging
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time

import mm_orch
import numpy as np
import pytest
from mm_orch import CancelToken, ModelManager, _core, exceptions
from mm_orch.runtime import backend_exceptions, model_manager

ERRORS = [c for _, c in inspect.getmembers(exceptions, inspect.isclass)]


def test_module_names_are_the_same_class():
    assert model_manager.ModelManager is mm_orch.ModelManager
    assert model_manager.get_model_manager is mm_orch.get_model_manager
    assert model_manager.configure_model_manager is mm_orch.configure_model_manager
    assert {getattr(backend_exceptions, c.__name__) for c in ERRORS} == set(ERRORS)


@pytest.mark.parametrize("error", [e for e in ERRORS if e is not exceptions.MuAIError])
def test_every_code_becomes_its_class_with_context(error):
    with pytest.raises(exceptions.MuAIError) as caught:
        _core._throw_error(error.code, "what", model="m", backend="b", device="d", path="p")
    value = caught.value
    assert type(value) is error
    assert str(value) == "what"
    assert (value.model, value.backend, value.device, value.path) == ("m", "b", "d", "p")


def test_codes_are_complete_and_hierarchy_is_the_library_s():
    assert sorted(e.code for e in ERRORS) == list(range(16))
    parents = {e.__name__: e.__bases__[0].__name__ for e in ERRORS}
    assert parents["FileValidationError"] == parents["UnsupportedModelError"] == "ModelLoadError"
    assert parents["FidelityError"] == "ModelLoadError"
    assert parents["NumericFaultError"] == "InferenceError"
    assert parents["ModelLoadError"] == parents["DeviceError"] == "BackendError"
    assert parents["BackendError"] == parents["InvalidInputError"] == "MuAIError"
    assert parents["OverloadedError"] == "MuAIError"


def test_text_in_text_out(manager, tiny_model):
    text = manager.generate(tiny_model, "Hello", max_new_tokens=8)
    assert isinstance(text, str)
    assert text.startswith("Hello")
    assert len(text) > len("Hello")


def test_list_in_list_out_equals_single_calls(manager, tiny_model):
    prompts = ["Hello", "A longer prompt than the first"]
    texts = manager.generate(tiny_model, prompts, max_new_tokens=8)
    assert texts == [manager.generate(tiny_model, p, max_new_tokens=8) for p in prompts]


def test_tokens_in_result_out(manager, tiny_model):
    ids = manager.tokenize(tiny_model, "Hello")
    one = manager.generate_tokens(tiny_model, ids, max_new_tokens=6, eos_token_id=[])
    assert one.prompt_tokens == ids
    assert len(one.new_tokens) == 6
    assert (one.finish_reason, one.backend) == ("length", "pytorch")
    assert 0 < one.time_to_first_token_s <= one.latency_s
    many = manager.generate_tokens(tiny_model, [ids, ids[:2]], max_new_tokens=6, eos_token_id=[])
    assert many[0].new_tokens == one.new_tokens
    array = manager.generate_tokens(tiny_model, np.array(ids), max_new_tokens=6, eos_token_id=[])
    assert array.new_tokens == one.new_tokens


def test_eos_as_integer_and_as_list(manager, tiny_model):
    ids = manager.tokenize(tiny_model, "Hello")
    free = manager.generate_tokens(tiny_model, ids, max_new_tokens=6, eos_token_id=[])
    third = free.new_tokens[2]
    first = free.new_tokens.index(third)
    for eos in (third, [third], np.int64(third)):
        cut = manager.generate_tokens(tiny_model, ids, max_new_tokens=6, eos_token_id=eos)
        assert cut.new_tokens == free.new_tokens[: first + 1]
        assert cut.finish_reason == "eos"


def test_seed_repeats_and_none_means_default(manager, tiny_model):
    sample = dict(max_new_tokens=16, do_sample=True, temperature=1.0, top_k=None, seed=7)
    first = manager.generate(tiny_model, "Hello", **sample)
    assert manager.generate(tiny_model, "Hello", **sample) == first
    assert manager.generate(tiny_model, "Hello", **(sample | {"seed": 8})) != first


def test_prompt_lookup_guesses_unless_refused(manager, tiny_model):
    prompt = manager.tokenize(tiny_model, "one two three " * 8)
    options = {"max_new_tokens": 200, "eos_token_id": []}
    guessing = manager.generate_tokens(tiny_model, prompt, **options)
    plain = manager.generate_tokens(tiny_model, prompt, prompt_lookup=False, **options)
    assert guessing.draft_tokens > 0
    assert plain.draft_tokens == 0
    assert plain.new_tokens == guessing.new_tokens
    with pytest.raises(exceptions.InvalidInputError, match="leave out prompt_lookup"):
        manager.generate_tokens(tiny_model, prompt, prompt_lookup=True, num_beams=2)


def test_unknown_option_names_the_nearest(manager, tiny_model):
    with pytest.raises(TypeError, match="'max_tokens': did you mean 'max_new_tokens'"):
        manager.generate(tiny_model, "Hello", max_tokens=5)
    with pytest.raises(TypeError, match="'xyzzy': known are max_new_tokens"):
        manager.generate_tokens(tiny_model, [1], xyzzy=5)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("max_new_tokens", "five", "an integer"),
        ("max_new_tokens", 5.5, "an integer"),
        ("temperature", "hot", "a number"),
        ("do_sample", "yes", "True or False"),
        ("seed", -1, "from 0 to"),
        ("eos_token_id", ["a"], "a list of integers"),
        ("stop_strings", [1], "str"),
        ("stream", 3, "a callable"),
        ("cancel", True, "a CancelToken"),
    ],
)
def test_option_of_wrong_type_is_named(manager, tiny_model, option, value, expected):
    with pytest.raises(TypeError, match=f"'{option}' takes .*{expected}"):
        manager.generate(tiny_model, "Hello", **{option: value})


def test_wrong_values_are_typed_errors(manager, tiny_model):
    with pytest.raises(exceptions.InvalidInputError):
        manager.generate(tiny_model, "Hello", max_new_tokens=0)
    with pytest.raises(exceptions.InvalidInputError):
        manager.generate(tiny_model, "")
    with pytest.raises(exceptions.InvalidInputError, match="surrogate"):
        manager.generate(tiny_model, "bad \ud800")
    with pytest.raises(exceptions.InvalidInputError):
        manager.generate("not-loaded", "Hello")
    with pytest.raises(exceptions.InvalidInputError):
        manager.generate_tokens(tiny_model, [100000])
    with pytest.raises(exceptions.InvalidInputError):
        manager.load_model(tiny_model, "ollama")


def test_stream_gives_the_continuation_in_pieces(manager, tiny_model):
    pieces: list[str] = []
    text = manager.generate(tiny_model, "Hello", max_new_tokens=12, stream=pieces.append)
    assert len(pieces) > 1
    assert "Hello" + "".join(pieces) == text


def test_stream_of_a_batch_names_the_sequence(manager, tiny_model):
    pieces: dict[int, str] = {0: "", 1: ""}

    def collect(index: int, piece: str) -> None:
        pieces[index] += piece

    prompts = ["Hello", "World"]
    texts = manager.generate(tiny_model, prompts, max_new_tokens=12, stream=collect)
    assert [p + pieces[i] for i, p in enumerate(prompts)] == texts


def test_stream_that_returns_false_stops(manager, tiny_model):
    seen: list[str] = []

    def stop(piece: str) -> bool:
        seen.append(piece)
        return False

    manager.generate(tiny_model, "Hello", max_new_tokens=50, stream=stop)
    assert len(seen) == 1


def test_exception_in_stream_stops_and_arrives(manager, tiny_model):
    seen: list[str] = []

    def broken(piece: str) -> None:
        seen.append(piece)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        manager.generate(
            tiny_model, ["Hello", "World"], max_new_tokens=50, stream=lambda i, p: broken(p)
        )
    assert len(seen) <= 2
    assert manager.generate(tiny_model, "Hello", max_new_tokens=2).startswith("Hello")
    assert manager.get_fallback_events() == []


def test_cancel_token_stops_from_another_thread(manager, tiny_model):
    token = CancelToken()
    started = threading.Event()
    result = []

    def slow(piece: str) -> None:
        started.set()
        time.sleep(0.01)

    def work() -> None:
        ids = manager.tokenize(tiny_model, "Hello")
        result.append(
            manager.generate_tokens(
                tiny_model,
                ids,
                max_new_tokens=500,
                eos_token_id=[],
                cancel=token,
                stream=slow,
            )
        )

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(10)
    token.cancel()
    thread.join(10)
    assert token.cancelled
    assert result[0].finish_reason == "cancelled"
    assert len(result[0].new_tokens) < 500


def test_gil_is_free_while_the_library_works(manager, tiny_model):
    counted = 0
    done = threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.is_set():
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counted
    # A call that held the GIL would let the thread run only after it returned.
    manager.score(tiny_model, list(range(256)) * 2, stepwise=True)
    during = counted - before
    done.set()
    thread.join()
    assert during > 1000


def test_many_threads_get_the_same_answers(manager, tiny_model):
    expected = manager.generate(tiny_model, "Hello", max_new_tokens=20)
    answers: list[str] = []

    def work() -> None:
        pieces: list[str] = []
        answers.append(
            manager.generate(tiny_model, "Hello", max_new_tokens=20, stream=pieces.append)
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [expected] * 8


def test_score_gives_arrays(manager, tiny_model):
    ids = manager.tokenize(tiny_model, "Hello world")
    scored = manager.score(tiny_model, "Hello world", with_logits=True)
    assert scored.tokens.tolist() == ids
    assert scored.tokens.dtype == np.int64
    assert scored.log_probabilities.dtype == scored.logits.dtype == np.float32
    assert scored.log_probabilities.shape == (len(ids) - 1,)
    assert scored.logits.shape == (len(ids), 257)
    logits = scored.logits.astype(np.float64)
    log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = log_softmax[np.arange(len(ids) - 1), ids[1:]]
    np.testing.assert_allclose(scored.log_probabilities, expected, atol=1e-5)

    plain = manager.score(tiny_model, ids, stepwise=True)
    assert plain.logits is None
    np.testing.assert_allclose(plain.log_probabilities, scored.log_probabilities, atol=1e-4)
    arrays = plain.tokens
    del plain, scored
    assert arrays.tolist() == ids


def test_tokenize_and_back(manager, tiny_model):
    text = "Grüße, 世界 🌍"
    ids = manager.tokenize(tiny_model, text)
    assert len(ids) == len(text.encode())
    assert manager.detokenize(tiny_model, ids) == text


def test_chat_template(manager, tiny_model):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    text = manager.apply_chat_template(tiny_model, messages)
    assert text == "[user] Hi\n[assistant] Yes?\n[assistant] "
    text = manager.apply_chat_template(tiny_model, messages[:1], add_generation_prompt=False)
    assert text == "[user] Hi\n"
    with pytest.raises(exceptions.InvalidInputError, match="message 0 has the keys"):
        manager.apply_chat_template(tiny_model, [{"role": "user"}])


def test_what_is_loaded(manager, tiny_model):
    assert manager.is_loaded(tiny_model)
    assert not manager.is_loaded("gpt2")
    assert manager.get_cached_models() == [tiny_model]
    info = manager.get_model_info(tiny_model)
    assert info["name"] == tiny_model
    assert info["backend"] == "pytorch"
    assert info["precision"] == "FP32"
    assert info["context_length"] == 512
    assert info["vocabulary_size"] == 257
    assert info["memory_bytes"] > 0
    assert set(info) >= {"architecture", "path", "device"}


def test_statistics(tiny_model):
    manager = ModelManager()
    assert manager.get_performance_stats() == {}
    nothing = manager.get_performance_stats("openvino")
    assert nothing["sample_count"] == 0
    assert np.isnan(nothing["avg_latency"])

    manager.load_model(tiny_model)
    for _ in range(3):
        manager.generate(tiny_model, "Hello", max_new_tokens=4)
    every = manager.get_performance_stats()
    assert list(every) == ["pytorch"]
    stats = manager.get_performance_stats("pytorch")
    assert stats["sample_count"] == 3
    assert 0 < stats["p50_latency"] <= stats["p95_latency"] <= stats["p99_latency"]
    assert stats["avg_throughput"] > 0
    assert 0 < stats["time_to_first_token"] <= stats["p99_latency"]
    assert manager.unload_model(tiny_model)
    assert not manager.unload_model(tiny_model)
    assert manager.get_cached_models() == []


def test_config_as_dict_and_path(tmp_path, tiny_model):
    ModelManager(backend_config={"backend": {"default": "pytorch"}})
    ModelManager(backend_config={"openvino": {"cache_dir": tmp_path, "enable_fallback": False}})
    file = tmp_path / "backend.yaml"
    file.write_text("backend:\n  default: pytorch\nmodel_overrides:\n  gpt2: openvino\n")
    ModelManager(backend_config=file)
    with pytest.raises(exceptions.ConfigurationError, match="cannot express"):
        ModelManager(backend_config={"openvino": {"device": object()}})
    with pytest.raises(exceptions.ConfigurationError):
        ModelManager(backend_config={"openvino": {"devise": "CPU"}})


def test_log_goes_to_python_logging(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="mm_orch"):
        ModelManager(backend_config=tmp_path / "missing.yaml")
    warnings = [r for r in caplog.records if r.name == "mm_orch" and r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "missing.yaml" in warnings[0].getMessage()


def test_download_goes_to_huggingface_hub(monkeypatch, tmp_path, tiny_model):
    import huggingface_hub

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    asked = []

    def snapshot(repository: str, **options: object) -> str:
        asked.append((repository, options))
        return tiny_model

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    manager = ModelManager(backend="pytorch")
    manager.load_model("someone/tiny")
    assert asked[0][0] == "someone/tiny"
    assert "*.safetensors" in asked[0][1]["allow_patterns"]
    assert manager.generate("someone/tiny", "Hello", max_new_tokens=2).startswith("Hello")

    def offline(repository: str, **options: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(exceptions.ModelNotFoundError, match="no route to host"):
        manager.load_model("someone/other")

    def interrupted(repository: str, **options: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(huggingface_hub, "snapshot_download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        manager.load_model("someone/other")
    assert manager.get_fallback_events() == []


def run_script(body: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(body), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_stops_a_generation_and_the_manager_goes_on(tiny_model):
    process = run_script(
        """
        import sys, time
        from mm_orch import ModelManager
        manager = ModelManager(backend="pytorch")
        manager.load_model(sys.argv[1])
        print("ready", flush=True)
        start = time.perf_counter()
        try:
            while True:
                manager.generate(sys.argv[1], "Hello", max_new_tokens=500, eos_token_id=[])
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(manager.generate(sys.argv[1], "Hello", max_new_tokens=2)[:5])
        """,
        tiny_model,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    start = time.perf_counter()
    assert process.stdout.readline() == "interrupted\n"
    assert time.perf_counter() - start < 1.0
    assert process.stdout.readline() == "Hello\n"
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""


def test_interpreter_exits_quietly_with_models_loaded(tiny_model):
    process = run_script(
        """
        import sys, logging, threading
        logging.basicConfig(level=logging.CRITICAL)
        from mm_orch import ModelManager
        manager = ModelManager(backend="pytorch")
        manager.load_model(sys.argv[1])
        endless = lambda: manager.generate(sys.argv[1], ["a", "b"], max_new_tokens=400)
        threading.Thread(target=endless, daemon=True).start()
        manager.generate(sys.argv[1], "Hello", max_new_tokens=2)
        """,
        tiny_model,
    )
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("", "", 0)


def test_compare_backends_gives_what_the_guide_prints(tiny_model, tmp_path):
    config = {"openvino": {"cache_dir": str(tmp_path), "auto_export": True}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.load_model(tiny_model)
    manager.generate(tiny_model, "Hello", max_new_tokens=8)
    comparison = manager.compare_backends("pytorch", "openvino")
    low, high = comparison["latency_interval"]
    assert 0 < low <= comparison["latency_improvement"] <= high
    assert comparison["throughput_improvement"] > 0
    assert comparison["pytorch_stats"]["sample_count"] == 8
    assert comparison["openvino_stats"]["sample_count"] == 8
    assert comparison["first_difference"] is None


def test_cache_info_names_pinned_models(tiny_model):
    manager = ModelManager()
    manager.load_model(tiny_model)
    manager.pin_model(tiny_model)
    info = manager.get_cache_info()
    assert info["max_cached_models"] == 3
    assert info["max_cached_bytes"] is None
    assert info["residency_seconds"] == 30
    assert [model["name"] for model in info["models"]] == [tiny_model]
    assert info["models"][0]["pinned"] is True
    assert info["models"][0]["in_use"] is False
    assert info["memory_bytes"] > 0
    assert manager.cleanup_stale() == 0


def test_byte_budget_refuses_what_is_larger_and_keeps_the_rest(tiny_model, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    unlimited = ModelManager()
    unlimited.load_model(tiny_model)
    size = unlimited.get_model_info(tiny_model)["memory_bytes"]

    manager = ModelManager(max_cached_bytes=size)
    manager.load_model(tiny_model)
    manager.load_model(other)
    assert manager.get_cached_models() == [str(other)]
    assert manager.get_cache_info()["max_cached_bytes"] == size

    with pytest.raises(exceptions.OutOfMemoryError, match=f"{size} bytes .* allows {size - 1}"):
        ModelManager(max_cached_bytes=size - 1).load_model(tiny_model)
    with pytest.raises(exceptions.ConfigurationError, match="max_cached_bytes: found 0"):
        ModelManager(max_cached_bytes=0)


def test_usage_and_statistics_of_each_model(tiny_model, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    manager = ModelManager()
    for name in (tiny_model, other):
        manager.load_model(name)
    start = time.time()
    options = dict(max_new_tokens=4, eos_token_id=[])
    manager.generate(tiny_model, "Hello", **options)
    manager.generate(other, ["a", "bc"], **options)
    manager.generate(other, "def", **options)
    manager.unload_model(tiny_model)

    usage = manager.get_usage_stats()
    assert list(usage) == sorted([tiny_model, str(other)])
    assert usage[str(other)]["generations"] == 2
    assert usage[str(other)]["prompt_tokens"] == 1 + 2 + 3
    assert usage[str(other)]["new_tokens"] == 3 * 4
    assert usage[tiny_model]["loads"] == 1
    assert usage[tiny_model]["loaded_since"] is None
    assert usage[str(other)]["loaded_since"] <= start <= usage[str(other)]["last_used"]

    assert manager.get_performance_stats("pytorch")["sample_count"] == 3
    assert manager.get_performance_stats("pytorch", model=other)["sample_count"] == 2
    assert manager.get_performance_stats("pytorch", model=tiny_model)["sample_count"] == 1
    assert np.isnan(manager.get_performance_stats("pytorch", model="absent")["avg_latency"])
    with pytest.raises(TypeError, match="needs a backend"):
        manager.get_performance_stats(model=other)


def test_tokenizer_of_another_model_is_named(tiny_model, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(tiny_model, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] = {
        piece: id + 200 for piece, id in tokenizer["model"]["vocab"].items()
    }
    tokenizer["added_tokens"] = []
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    manager = ModelManager()
    manager.load_model(folder)
    with pytest.raises(exceptions.FileValidationError, match="of different models"):
        manager.generate(folder, "zzz")
    with pytest.raises(exceptions.FileValidationError, match="of different models"):
        manager.score(folder, "zzz")
