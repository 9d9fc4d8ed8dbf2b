"""A draft model guesses for the real SmolLM2, on both backends: the text stays the same."""

import threading

import pytest
from mm_orch import ModelManager
from mm_orch.exceptions import ConfigurationError, InvalidInputError
from reference_models import SMOLLM2_FILE, smollm2_folder
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = [
    "The history of the steam engine begins",
    "Once upon a time, in a village by the sea,",
    "Water boils at a lower temperature on a mountain because",
]
TARGETS = ["pytorch", "openvino"]


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    """SmolLM2 in FP32 as "pytorch" and "openvino", in 8 and 4 bits as "draft"."""
    root = tmp_path_factory.mktemp("draft")
    gguf = {"gguf_file": SMOLLM2_FILE}
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype="float32", **gguf)
    model.hf_quantizer = None  # its weights are floats by now
    del model.config.quantization_config
    model.save_pretrained(root / "float32")
    AutoTokenizer.from_pretrained(smollm2_folder(), **gguf).save_pretrained(root / "float32")
    openvino = {"enable_fallback": False, "cache_dir": str(root / "openvino")}
    config = {"openvino": openvino, "pytorch": {"inference_precision": "int8"}}
    manager = ModelManager(backend_config=config, max_cached_models=5)
    manager.register_model("draft", smollm2_folder() / SMOLLM2_FILE)
    manager.load_model("draft")
    manager.reload_config({"openvino": openvino})
    for backend in TARGETS:
        manager.register_model(backend, root / "float32")
        if backend == "openvino":
            manager.export_model(backend, check=False)
        manager.load_model(backend, backend_override=backend)
    return manager


@pytest.mark.parametrize("target", TARGETS)
def test_greedy_text_is_the_same_and_guesses_are_right(manager, target):
    """How many guesses there are depends on what they cost; without any, nothing is known of it."""
    guessed = right = 0
    for prompt in (manager.tokenize(target, prompt) for prompt in PROMPTS):
        plain = manager.generate_tokens(target, prompt, max_new_tokens=60)
        drafted = manager.generate_tokens(target, prompt, max_new_tokens=60, draft_model="draft")
        assert drafted.new_tokens == plain.new_tokens
        assert drafted.text == plain.text
        guessed += drafted.draft_tokens
        right += drafted.accepted_draft_tokens
    assert guessed > 0
    assert right > guessed / 2


@pytest.mark.parametrize("target", TARGETS)
def test_a_batch_and_a_stream_are_the_same(manager, target):
    prompts = [manager.tokenize(target, prompt) for prompt in PROMPTS]
    plain = manager.generate_tokens(target, prompts, max_new_tokens=40)
    pieces = [""] * len(PROMPTS)

    def stream(index: int, piece: str) -> None:
        pieces[index] += piece

    drafted = manager.generate_tokens(
        target, prompts, max_new_tokens=40, draft_model="draft", stream=stream
    )
    assert [r.new_tokens for r in drafted] == [r.new_tokens for r in plain]
    assert pieces == [r.text for r in plain]


def test_samples_are_the_same(manager):
    tokens = [manager.tokenize("pytorch", prompt) for prompt in PROMPTS]
    options = {"max_new_tokens": 40, "temperature": 0.7, "top_p": 0.9, "seed": 5}
    for prompt in tokens:
        plain = manager.generate_tokens("pytorch", prompt, **options)
        drafted = manager.generate_tokens("pytorch", prompt, draft_model="draft", **options)
        assert drafted.new_tokens == plain.new_tokens


def test_several_callers_share_a_draft(manager):
    plain = [manager.generate("pytorch", prompt, max_new_tokens=30) for prompt in PROMPTS]
    found = [""] * len(PROMPTS)

    def call(index: int) -> None:
        found[index] = manager.generate(
            "pytorch", PROMPTS[index], max_new_tokens=30, draft_model="draft"
        )

    threads = [threading.Thread(target=call, args=[i]) for i in range(len(PROMPTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == plain


def test_a_draft_that_was_unloaded_is_named(manager):
    manager.unload_model("draft")
    with pytest.raises(InvalidInputError, match="Model 'draft' is not loaded"):
        manager.generate("pytorch", "Hi", draft_model="draft")
    manager.load_model("draft")
    plain = manager.generate("pytorch", PROMPTS[0], max_new_tokens=30)
    assert manager.generate("pytorch", PROMPTS[0], max_new_tokens=30, draft_model="draft") == plain


def test_what_cannot_be_a_draft(manager, tiny_model):
    manager.load_model(tiny_model)
    for draft, said in (("pytorch", "it is the model itself"), (tiny_model, "vocabulary")):
        with pytest.raises(ConfigurationError, match=said):
            manager.generate("pytorch", "Hi", draft_model=draft)
    with pytest.raises(InvalidInputError, match="beams take no guesses"):
        manager.generate("pytorch", "Hi", draft_model="draft", num_beams=2)
    with pytest.raises(TypeError, match="'draft_model' takes a model's name or path, not 3"):
        manager.generate("pytorch", "Hi", draft_model=3)
