"""A conversation: the model's chat template, the history, one answer after another."""

from example_model import model_path
from mm_orch import ModelManager

model = model_path()
manager = ModelManager()
manager.load_model(model)

messages = [{"role": "system", "content": "You answer in one short sentence."}]
for question in ("My name is Ada. What is a prime number?", "What is my name?"):
    messages.append({"role": "user", "content": question})
    # The template writes the special tokens itself.
    prompt = manager.tokenize(
        model, manager.apply_chat_template(model, messages), add_special_tokens=False
    )
    answer = manager.generate_tokens(model, prompt, max_new_tokens=40).text.strip()
    messages.append({"role": "assistant", "content": answer})
    print(f"> {question}\n{answer}\n")
