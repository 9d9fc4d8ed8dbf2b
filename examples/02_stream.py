"""Print the text as it comes, and stop it."""

from example_model import model_path
from mm_orch import ModelManager

model = model_path()
manager = ModelManager()
manager.load_model(model)

prompt = "Here is a list of colours:"
print(prompt, end="")
manager.generate(
    model, prompt, max_new_tokens=40, stream=lambda piece: print(piece, end="", flush=True)
)
print("\n")

# Returning False ends the text; so do stop strings.
pieces = []


def first_five(piece: str) -> bool:
    pieces.append(piece)
    return len(pieces) < 5


manager.generate(model, prompt, max_new_tokens=40, stream=first_five)
print("the first five pieces:", pieces)
