"""Comparing tokens and logits with a reference, ties counted and printed."""

from dataclasses import dataclass

import numpy as np
import torch

TIE_MARGIN = 1e-4  # of the logits' range: the reference itself cannot tell its first two apart


@dataclass
class Agreement:
    """What a comparison of greedy runs found."""

    prompts: int = 0
    tokens: int = 0
    ties: int = 0

    def check(self, reference, prompt: list[int], ours: list[int]) -> None:
        """Each token is the reference's own choice after the tokens before it.

        By induction that is what the reference generates greedily. A difference passes only where
        the reference's own margin is a tie; the tokens after it are checked all the same.
        """
        self.prompts += 1
        choices = reference_logits(reference, prompt + ours)[len(prompt) - 1 : -1]
        for i, (token, logits) in enumerate(zip(ours, choices, strict=True)):
            if token == logits.argmax():
                self.tokens += 1
                continue
            margin = float((logits.max() - logits[token]) / (logits.max() - logits.min()))
            assert margin < TIE_MARGIN, (
                f"token {i} of prompt {self.prompts}: ours {token}, transformers "
                f"{logits.argmax()}, whose margin is {margin:.2e} of the range"
            )
            self.ties += 1

    def __str__(self) -> str:
        return f"{self.prompts} prompts, {self.tokens} tokens equal, {self.ties} ties"


def reference_logits(reference, tokens: list[int]) -> np.ndarray:
    """float32 [T, V]."""
    with torch.no_grad():
        return reference(torch.tensor([tokens])).logits[0].float().numpy()


def relative_error(ours: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference at any position, relative to the reference's range there."""
    spread = reference.max(axis=-1) - reference.min(axis=-1)
    return float((np.abs(ours - reference).max(axis=-1) / spread).max())


def divergence(ours: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Mean KL(reference || ours) in nats, and top-1 agreement, over the positions."""
    log_p = torch.log_softmax(torch.from_numpy(reference).double(), -1)
    log_q = torch.log_softmax(torch.from_numpy(np.asarray(ours)).double(), -1)
    kl = (log_p.exp() * (log_p - log_q)).sum(-1).mean()
    return float(kl), float((ours.argmax(-1) == reference.argmax(-1)).mean())
