"""Writes a model's source: weights as safetensors, and a tokenizer, of which nothing is asked.

The last line of the output is the number of parameters that a decoded token reads.

Runs in the peers' environment:  python -m harness.make_model NAME FOLDER SMOLLM2.gguf
"""

import json
import math
import sys
from pathlib import Path

import torch
from random_llama import write_llama
from safetensors import safe_open
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)


def randomize(network: torch.nn.Module) -> None:
    """Biases and norms are random too: with zeros and ones an engine could leave them out."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 2:
                is_table = any(part in name for part in ("wte", "wpe", "shared"))
                parameter.copy_(noise * (0.3 if is_table else parameter.shape[0] ** -0.5))
            else:
                parameter.copy_(noise * 0.1 + (0.0 if name.endswith("bias") else 1.0))


def write_word_tokenizer(folder: Path, size: int) -> None:
    """The words w0, w1 ... have the ids 0, 1 ..."""
    tokenizer = Tokenizer(WordLevel({f"w{i}": i for i in range(size)}, unk_token="w0"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="w0", bos_token="w1", eos_token="w2", pad_token="w0"
    ).save_pretrained(folder)


def write_smollm2(folder: Path, gguf: Path) -> None:
    network = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    network.save_pretrained(folder)
    write_word_tokenizer(folder, network.config.vocab_size)


def write_gpt2(folder: Path) -> None:
    network = GPT2LMHeadModel(GPT2Config())
    randomize(network)
    network.save_pretrained(folder)
    write_word_tokenizer(folder, 50257)


def write_t5(folder: Path) -> None:
    config = T5Config(decoder_start_token_id=0)
    network = T5ForConditionalGeneration(config)
    randomize(network)
    network.save_pretrained(folder)
    write_word_tokenizer(folder, config.vocab_size)


def write_llama_1b(folder: Path) -> None:
    """The shapes of TinyLlama 1.1B."""
    write_llama(folder, 22, hidden=2048, intermediate=5632, heads=32, kv_heads=4)
    write_word_tokenizer(folder, 32000)


def parameters_read(folder: Path) -> int:
    """By each decoded token: not of tables that are looked up only, nor of an encoder."""
    tied = json.loads((folder / "config.json").read_text()).get("tie_word_embeddings", True)
    total = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118
                looked_up = "wpe" in name or (not tied and "embed_tokens" in name)
                if not looked_up and not name.startswith("encoder."):
                    total += math.prod(tensors.get_slice(name).get_shape())
    return total


def main() -> None:
    name, folder, gguf = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    write = {
        "smollm2": lambda path: write_smollm2(path, gguf),
        "gpt2": write_gpt2,
        "llama-1b": write_llama_1b,
        "t5-small": write_t5,
    }
    write[name](folder)
    print(parameters_read(folder))


if __name__ == "__main__":
    main()
