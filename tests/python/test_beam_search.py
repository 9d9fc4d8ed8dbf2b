"""Beam search against transformers, token by token, on both backends."""

import random

import pytest
import torch
from mm_orch import ModelManager
from mm_orch.exceptions import InvalidInputError
from reference_models import FAMILY, SMOLLM2_FILE, make_model, smollm2_folder
from transformers import AutoModelForCausalLM

BACKENDS = ["pytorch", "openvino"]
MODELS = ["gpt2", "llama3_scaled", "qwen2"]
OPTIONS = [
    {"num_beams": 2},
    {"num_beams": 4, "early_stopping": True},
    {"num_beams": 4, "early_stopping": "never", "length_penalty": 2.0},
    {"num_beams": 3, "length_penalty": 0.6, "repetition_penalty": 1.3},
    {"num_beams": 4, "length_penalty": -1.0, "min_new_tokens": 6},
    {"num_beams": 2, "early_stopping": "never", "length_penalty": 0.0},
]


@pytest.fixture(scope="module")
def model_on(tmp_path_factory):
    """model_on(backend, name): a manager, the model's path and transformers' model."""
    root = tmp_path_factory.mktemp("beams")
    managers, made = {}, {}

    def get(backend: str, name: str):
        if backend not in managers:
            openvino = {
                "enable_fallback": False,
                "cache_dir": str(root / "openvino"),
                "auto_export": True,
            }
            managers[backend] = ModelManager(
                backend=backend, backend_config={"openvino": openvino}, max_cached_models=4
            )
        if name not in made:
            made[name] = make_model(root / name, FAMILY[name], seed=40 + list(FAMILY).index(name))
        managers[backend].load_model(str(root / name))
        return managers[backend], str(root / name), made[name]

    return get


def transformers_beams(reference, prompts: list[list[int]], eos: list[int], **options):
    """What is generated for each prompt, up to its EOS; the prompts go in together."""
    longest = max(len(prompt) for prompt in prompts)
    padded = [[0] * (longest - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    with torch.no_grad():
        sequences = reference.generate(
            torch.tensor(padded),
            attention_mask=torch.tensor(mask),
            do_sample=False,
            eos_token_id=eos or None,
            pad_token_id=0,
            **options,
        )[:, longest:].tolist()
    ends = [next((i + 1 for i, t in enumerate(s) if t in eos), len(s)) for s in sequences]
    return [sequence[:end] for sequence, end in zip(sequences, ends, strict=True)]


def prompts_of(vocabulary: int, lengths: list[int], seed: int) -> list[list[int]]:
    draw = random.Random(seed)
    return [[draw.randrange(1, vocabulary) for _ in range(length)] for length in lengths]


def likely_ends(manager, model: str, prompts: list[list[int]]) -> list[int]:
    """Tokens that greedy runs produce: as EOS ids, they end texts early, at different lengths."""
    results = manager.generate_tokens(model, prompts, max_new_tokens=12, eos_token_id=[])
    return sorted({result.new_tokens[3 + 2 * (i % 4)] for i, result in enumerate(results)})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_beams_equal_transformers(backend, name, model_on):
    manager, model, reference = model_on(backend, name)
    ended = 0
    for seed, options in enumerate(OPTIONS):
        prompts = prompts_of(FAMILY[name].vocab_size, [5, 1, 9], seed)
        if "repetition_penalty" in options:  # transformers counts the padding as seen
            prompts = prompts_of(FAMILY[name].vocab_size, [6, 6, 6], seed)
        for eos in ([], likely_ends(manager, model, prompts)):
            expected = transformers_beams(reference, prompts, eos, max_new_tokens=16, **options)
            results = manager.generate_tokens(
                model, prompts, eos_token_id=eos, max_new_tokens=16, **options
            )
            assert [list(result.new_tokens) for result in results] == expected, (options, eos)
            ended += sum(result.finish_reason == "eos" for result in results)
    assert ended >= 6


@pytest.mark.parametrize("backend", BACKENDS)
def test_real_text_of_smollm2_equals_transformers(backend, tmp_path):
    folder = smollm2_folder()
    reference = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=SMOLLM2_FILE, dtype="float32"
    ).eval()
    openvino = {"enable_fallback": False, "cache_dir": str(tmp_path), "auto_export": True}
    manager = ModelManager(backend=backend, backend_config={"openvino": openvino})
    model = str(folder / SMOLLM2_FILE)
    manager.load_model(model)
    prompts = [manager.tokenize(model, text) for text in ("The capital of France is", "Once")]
    for options in ({"num_beams": 4}, {"num_beams": 2, "early_stopping": True}):
        expected = transformers_beams(reference, prompts, [2], max_new_tokens=20, **options)
        results = manager.generate_tokens(
            model, prompts, eos_token_id=[2], max_new_tokens=20, **options
        )
        assert [list(result.new_tokens) for result in results] == expected, options


def test_the_text_and_its_defaults(tiny_model, manager):
    prompt = "beams"
    whole = manager.generate(tiny_model, prompt, num_beams=3, max_new_tokens=12)
    assert whole.startswith(prompt)
    greedy = manager.generate(tiny_model, prompt, num_beams=1, max_new_tokens=12)
    assert greedy == manager.generate(tiny_model, prompt, max_new_tokens=12)
    assert whole != greedy


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 0.7}, "sampling is on"),
        ({"stream": print}, "cannot be streamed"),
        ({"stop_strings": "a"}, "no stop strings"),
    ],
)
def test_what_beams_cannot_be_combined_with(tiny_model, manager, options, said):
    with pytest.raises(InvalidInputError, match=said):
        manager.generate(tiny_model, "a", num_beams=2, **options)


def test_early_stopping_takes_three_values(tiny_model, manager):
    for value in (True, False, "never", None):
        manager.generate(
            tiny_model, "a", num_beams=2, max_new_tokens=3, early_stopping=value, length_penalty=0.5
        )
    for value in ("always", 1):
        with pytest.raises(TypeError, match='True, False or "never"'):
            manager.generate(tiny_model, "a", num_beams=2, early_stopping=value)
