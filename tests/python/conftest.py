"""A tiny Llama with random weights and a byte tokenizer: loads in milliseconds, says nonsense."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

VOCABULARY = 257
EOS = 256
CONTEXT = 512
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "benchmarks"))  # random_llama


def _write_tokenizer(folder: Path) -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    template += "{% if add_generation_prompt %}[assistant] {% endif %}"
    config = {"eos_token": "<|end|>", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _write_model(folder: Path) -> None:
    hidden, layers, heads, intermediate = 32, 2, 4, 48
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "intermediate_size": intermediate,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "eos_token_id": EOS,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * 0.3).astype(np.float32)

    def norm() -> np.ndarray:
        return random.uniform(0.5, 1.5, hidden).astype(np.float32)

    tensors = {
        "model.embed_tokens.weight": matrix(VOCABULARY, hidden),
        "model.norm.weight": norm(),
        "lm_head.weight": matrix(VOCABULARY, hidden),
    }
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        tensors |= {
            f"{prefix}.input_layernorm.weight": norm(),
            f"{prefix}.post_attention_layernorm.weight": norm(),
            f"{prefix}.self_attn.q_proj.weight": matrix(hidden, hidden),
            f"{prefix}.self_attn.k_proj.weight": matrix(hidden // 2, hidden),
            f"{prefix}.self_attn.v_proj.weight": matrix(hidden // 2, hidden),
            f"{prefix}.self_attn.o_proj.weight": matrix(hidden, hidden),
            f"{prefix}.mlp.gate_proj.weight": matrix(intermediate, hidden),
            f"{prefix}.mlp.up_proj.weight": matrix(intermediate, hidden),
            f"{prefix}.mlp.down_proj.weight": matrix(hidden, intermediate),
        }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    folder.mkdir()
    _write_model(folder)
    _write_tokenizer(folder)
    return str(folder)


@pytest.fixture(scope="session")
def manager(tiny_model: str):
    from mm_orch import ModelManager

    manager = ModelManager(backend="pytorch")
    manager.load_model(tiny_model)
    return manager


@pytest.fixture(scope="session")
def gpt2_vocabulary() -> Path:
    """The folder of GPT-2's real vocabulary (vocab.json, merges.txt)."""
    subprocess.run([REPOSITORY / "scripts" / "fetch_gpt2_vocab.sh"], check=True)
    return REPOSITORY / "build" / "assets" / "gpt2-vocab"
