"""Several prompts at once: one pass over the weights serves all of them."""

import time

from example_model import model_path
from mm_orch import ModelManager

model = model_path()
manager = ModelManager()
manager.load_model(model)
prompts = ["The sun is", "Water boils at", "A cat has", "Winter comes after"]

start = time.perf_counter()
texts = manager.generate(model, prompts, max_new_tokens=12)
together = time.perf_counter() - start

start = time.perf_counter()
alone = [manager.generate(model, prompt, max_new_tokens=12) for prompt in prompts]
one_by_one = time.perf_counter() - start

for text in texts:
    print("-", text)
print(f"together {together:.2f} s, one by one {one_by_one:.2f} s, equal texts: {texts == alone}")
