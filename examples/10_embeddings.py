"""Find the sentence that means most nearly what is asked, by the vectors of an encoder."""

import sys

from mm_orch import ModelManager

if len(sys.argv) < 2:
    sys.exit("usage: 10_embeddings.py MODEL, such as sentence-transformers/all-MiniLM-L6-v2")
model = sys.argv[1]
manager = ModelManager()
manager.load_model(model)

sentences = [
    "The cat sleeps on the sofa.",
    "Interest rates rose again this week.",
    "A kitten is having a nap.",
    "The train to Paris leaves at noon.",
]
question = "Where is the pet resting?"

# Vectors of length 1: their product is the cosine of the angle between them.
vectors = manager.embed(model, sentences, normalize=True)
similarity = vectors @ manager.embed(model, question, normalize=True)
for score, sentence in sorted(zip(similarity, sentences, strict=True), reverse=True):
    print(f"{score:6.3f}  {sentence}")
