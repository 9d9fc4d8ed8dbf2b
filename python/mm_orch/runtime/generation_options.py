"""The keyword arguments of ``ModelManager.generate`` and ``generate_tokens``."""

import difflib
import os
from collections.abc import Callable, Iterable
from typing import Literal, TypedDict

from mm_orch._core import CancelToken


class GenerationOptions(TypedDict, total=False):
    """What a caller may ask of a generation.

    An option that is absent or None takes the model's own default (generation_config.json), else
    the one named here.
    """

    max_new_tokens: int | None
    """New tokens at most, >= 1; wins over max_length. Default: 50."""
    max_length: int | None
    """Prompt and new tokens at most, as in transformers."""
    min_new_tokens: int | None
    """EOS and stop strings are ignored for so many new tokens, >= 0. Default: 0."""
    do_sample: bool | None
    """Sample, or take the most likely token. Default: sample if temperature (> 0), top_k, top_p
    or min_p is given."""
    temperature: float | None
    """Divides the logits, >= 0; 0 means greedy. Default: 1."""
    top_k: int | None
    """Keep the k most likely tokens, >= 0. Default: 0, all."""
    top_p: float | None
    """Keep the smallest set with probability >= top_p, in (0, 1]. Default: 1."""
    min_p: float | None
    """Drop tokens less likely than min_p times the most likely one, in [0, 1]. Default: 0."""
    repetition_penalty: float | None
    """Makes seen tokens (the prompt's too) less likely when > 1; > 0. Default: 1."""
    seed: int | None
    """The same seed gives the same tokens for the same logits. Default: random."""
    num_beams: int | None
    """Texts that are followed together, 1 to 256; the best is returned. Neither with sampling nor
    with stream or stop_strings. Default: 1, no beam search."""
    length_penalty: float | None
    """Beams: texts are compared by log probability / length**length_penalty; more favours long
    ones. Default: 1."""
    early_stopping: bool | Literal["never"] | None
    """Beams: stop when num_beams texts have ended (True), when none is likely to become better
    (False), or when none can ("never"). Default: False."""
    draft_model: str | os.PathLike[str] | None
    """A loaded, faster decoder with the same vocabulary. It guesses tokens that the model checks
    together: the same text (where a model computes in 8 bits, up to rounding), sooner. It pauses
    where that does not pay. Not with beams. Default: none."""
    prompt_lookup: bool | None
    """Guess tokens by looking up how the text went on earlier, and check them together: the same
    text (as with draft_model), sooner where it repeats itself. It pauses where that does not pay.
    Not with beams. Default: True."""
    stop_strings: str | Iterable[str] | None
    """Generation ends before the first of these. Default: none."""
    eos_token_id: int | Iterable[int] | None
    """Replaces the model's EOS ids; an empty list: none ends the generation."""
    stream: Callable[..., object] | None
    """Called with each new piece of text: ``stream(piece)`` for one prompt, ``stream(index,
    piece)`` for a batch. Returning False stops that sequence."""
    cancel: CancelToken | None
    """Stops the generation from another thread."""


def check_option_names(options: GenerationOptions) -> None:
    """Raises TypeError for an unknown option, naming the nearest that exists."""
    known = list(GenerationOptions.__annotations__)
    for name in options:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(known)}"
            raise TypeError(f"unknown generation option '{name}': {hint}")
