"""SentencePiece models trained on the samples."""

import re
from pathlib import Path

import sentencepiece
import text_samples


def train(folder: Path, name: str, **options) -> Path:
    corpus = [text for text in text_samples.samples(600, seed=5) if len(text) < 300]
    lines = "\n".join(re.sub(r"[\x00-\x1f▁]", " ", text) for text in corpus)
    (folder / "corpus.txt").write_text(lines)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "trained"),
        minloglevel=2,
        **{"vocab_size": 900, "hard_vocab_limit": options["model_type"] == "bpe"} | options,
    )
    (folder / "trained.model").rename(folder / name)
    return folder


def train_t5(folder: Path) -> Path:
    """`folder` with a spiece.model as T5's was trained."""
    return train(
        folder,
        "spiece.model",
        model_type="unigram",
        character_coverage=0.99,
        normalization_rule_name="nmt_nfkc",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
    )
