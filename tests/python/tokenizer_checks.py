"""Checks of a tokenizer of ours against one of `tokenizers`: the same ids, the same text back,
whether whole or streamed."""

from pathlib import Path

import text_samples
import text_tool
import tokenizers

REPLACEMENT = "\ufffd"
SAMPLES = text_samples.samples()


def check_streams(result: dict, ids: list[int], decode) -> None:
    """Pieces join to the whole text, also after a context."""
    assert "".join(result["pieces"]) == result["text"]
    context = decode(ids[: len(ids) // 2])
    if result["text"].startswith(context):
        assert result["continued"] == result["text"][len(context) :]
    else:  # the context ends within a character or a run of bytes, which what follows changes
        assert result["text"].endswith(result["continued"])
        if context.endswith(REPLACEMENT):
            assert len(result["continued"]) >= len(result["text"]) - len(context)


def check_samples(
    tokenizer: Path, reference: tokenizers.Tokenizer, texts: list[str] = SAMPLES
) -> None:
    results = text_tool.tokenize(tokenizer, texts)
    assert len(results) == len(texts)
    for text, result in zip(texts, results, strict=True):
        ids = reference.encode(text).ids
        plain_ids = reference.encode(text, add_special_tokens=False).ids
        full_text = reference.decode(ids, skip_special_tokens=False)
        assert result["ids"] == ids, repr(text)
        assert result["plain_ids"] == plain_ids, repr(text)
        assert result["text"] == reference.decode(ids), repr(text)
        assert result["full_text"] == full_text, repr(text)
        check_streams(result, ids, reference.decode)


def check_ids(tokenizer: Path, reference: tokenizers.Tokenizer, favoured: list[int]) -> None:
    """Ids that no text gives: bytes in any order."""
    lists = text_samples.id_lists(reference.get_vocab_size(), favoured)
    for ids, result in zip(lists, text_tool.tokenize(tokenizer, lists), strict=True):
        assert result["text"] == reference.decode(ids), ids
        check_streams(result, ids, reference.decode)


def check_pairs(
    tokenizer: Path, reference, pairs: list[tuple[str, str | None, int | None]]
) -> None:
    """Ids and type ids of (text, pair, max_length), against a tokenizer of transformers."""
    inputs = [dict(zip(("text", "pair", "max_length"), pair, strict=True)) for pair in pairs]
    results = text_tool.tokenize(tokenizer, inputs)
    for (text, pair, max_length), result in zip(pairs, results, strict=True):
        expected = reference(
            text,
            pair,
            truncation="longest_first" if max_length else False,
            max_length=max_length,
            return_token_type_ids=True,
        )
        assert result["ids"] == expected["input_ids"], (text, pair, max_length)
        assert result["type_ids"] == expected["token_type_ids"], (text, pair, max_length)


def pairs_of_samples() -> list[tuple[str, str | None, int | None]]:
    """Short with long, long with short, alone, cut at every small length and at none."""
    texts = [text for text in SAMPLES if len(text) < 200]
    lengths = [None, *range(3, 24), 64]
    pairs = [
        (texts[i], texts[-i] if i % 4 else None, lengths[i % len(lengths)]) for i in range(1, 400)
    ]
    words = "one two three four five six seven eight nine ten"
    return pairs + [
        (words, words[: 4 * i], n) for i in range(1, 12) for n in (3, 4, 5, 8, 11, 14, 30)
    ]
