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

    def check(self, reference, prompt: list[int], ours: list[int], theirs: list[int]) -> None:
        """Token by token; a difference passes only where the reference's own margin is a tie."""
        self.prompts += 1
        for i, (our_token, their_token) in enumerate(zip(ours, theirs, strict=True)):
            if our_token != their_token:
                with torch.no_grad():
                    logits = reference(torch.tensor([prompt + theirs[:i]])).logits[0, -1]
                top = logits.topk(2).values
                margin = float((top[0] - top[1]) / (logits.max() - logits.min()))
                assert margin < TIE_MARGIN, (
                    f"token {i} of prompt {self.prompts}: ours {our_token}, transformers "
                    f"{their_token}, whose margin is {margin:.2e} of the range"
                )
                self.ties += 1
                return
            self.tokens += 1

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
