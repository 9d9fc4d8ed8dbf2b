"""Prompt lookup on the real SmolLM2: the text is the one without it, in every precision."""

import pytest
from mm_orch import ModelManager
from prompts import HELD_TEXT, PROMPTS
from reference_models import SMOLLM2_FILE, smollm2_folder


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8"])
def test_a_lone_request_says_the_same_with_guesses_and_without(precision):
    manager = ModelManager(backend_config={"pytorch": {"inference_precision": precision}})
    model = str(smollm2_folder() / SMOLLM2_FILE)
    manager.load_model(model)
    guessed = right = 0
    for text in [HELD_TEXT[:300] + HELD_TEXT[:80], *PROMPTS[:7]]:
        prompt = manager.tokenize(model, text)
        options = {"max_new_tokens": 96, "do_sample": False, "eos_token_id": []}
        # From here on the prompt is in the cache: all that follows begins alike.
        manager.generate_tokens(model, prompt, prompt_lookup=False, **options)
        plain = manager.generate_tokens(model, prompt, prompt_lookup=False, **options)
        guessing = manager.generate_tokens(model, prompt, **options)
        assert guessing.new_tokens == plain.new_tokens, text
        guessed += guessing.draft_tokens
        right += guessing.accepted_draft_tokens
    assert guessed > right > 100
