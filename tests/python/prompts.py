"""Prompts and held text of the comparisons."""

PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "Explain in one sentence why the sky is blue.",
    "def fibonacci(n):\n",
    "Q: What is 17 + 25?\nA:",
    "The three primary colours are",
    "Dear Sir or Madam,\n\nI am writing to",
    "Water boils at",
    "import numpy as np\n\nx = np.",
    "In 1969, Neil Armstrong",
    "My favourite recipe needs two eggs, flour and",
    "Translate to French: good morning",
    "The opposite of hot is",
    "A haiku about autumn:\n",
    "To install the package, run",
    "The quick brown fox",
    "List the planets: Mercury, Venus,",
    "She opened the door and saw",
    "H",
    "Photosynthesis is the process by which plants",
]

HELD_TEXT = """The lighthouse had stood on the rock for more than a century before anyone
thought to ask who had paid for it. The harbour records were silent, and the oldest families in
the village gave three different answers, none of which agreed with the date cut into the stone
above the door. When the surveyor arrived in the spring he measured the tower twice, found it
four inches out of true, and wrote in his report that the foundation had been laid in a hurry,
probably between two storms. He recommended a new lamp, a new stair, and a keeper who could
read. The council approved the lamp. It was brought by cart over the hills in a crate filled
with straw, and half the school walked beside it for the last mile, as if it were a visiting
animal. The first night it burned, fishermen forty miles away complained that they could no
longer see the stars. Numbers matter in such stories: the lamp cost 1,250 pounds, weighed 380
kilograms, and was said to have the strength of 90,000 candles, although nobody had ever lined
up 90,000 candles to check. def area(r): return 3.14159 * r ** 2 is how a program would put it,
but the keeper only knew that the glass had to be cleaned every morning."""

# Those of src/exporter/fidelity_prompts.cpp.
FIDELITY_TEXTS = [
    (
        "The ferry left the harbour an hour before sunrise, when the water was still grey and the "
        "gulls slept on the railings. Nobody on deck spoke. Below, in the warm noise of the engine "
        "room, a young mechanic was writing a letter to her brother, who had gone inland years ago "
        "and had never learned to like the sea."
    ),
    (
        "Question: A shop sells pencils at 3 for 2 euros. How much do 12 pencils cost, and what "
        "change is left from a 20 euro note?\nAnswer: 12 pencils are 4 groups of 3, so they cost 4 "
        "x 2 = 8 euros. The change is 20 - 8 = 12 euros.\n\nQuestion: Which planet is the largest "
        "in our solar system, and how many moons does it have?\nAnswer:"
    ),
    (
        'def running_mean(values, window):\n    """Means of each `window` neighbouring '
        'values."""\n    total = sum(values[:window])\n    means = [total / window]\n    for i in '
        "range(window, len(values)):\n        total += values[i] - values[i - window]\n        "
        "means.append(total / window)\n    return means\n\n\nprint(running_mean([1, 2, 4, 8], 2))\n"
    ),
    (
        "La biblioteca abre a las nueve y cierra a las ocho de la tarde. Die Katze schläft auf dem "
        "warmen Fensterbrett. Le train de Lyon arrive avec dix minutes de retard. Il gelato al "
        "limone costa tre euro."
    ),
]
