"""Continue a prompt."""

from example_model import model_path
from mm_orch import ModelManager

model = model_path()
manager = ModelManager()
manager.load_model(model)

print(manager.generate(model, "The capital of France is", max_new_tokens=8))

# The same, drawn at random; the seed makes it repeatable.
print(manager.generate(model, "Once upon a time", max_new_tokens=16, temperature=0.8, seed=7))

# Four texts followed together, the likeliest of them taken.
print(manager.generate(model, "The sea is", max_new_tokens=16, num_beams=4))
