"""One adapter for each engine; worker.py runs one of them in a process of its own.

An adapter is a class with

    __init__(model: str, options: dict)                loads the model
    generate(prompts, new_tokens) -> float             greedily, exactly so many new tokens for each
                                                       prompt; returns the time.perf_counter() of
                                                       the first new token
    generate_plainly(prompts, new_tokens) -> float     the same without the guesses that an engine
                                                       makes unasked; missing in others
    serve(arrivals) -> [[first, last]]                 of requests (seconds, prompt, new tokens), as
                                                       they arrive: the seconds of each one's first
                                                       and last token; may be missing
    logits(tokens) -> float32 [T, V]                   of a text, through the cache where the engine
                                                       lets us; may be missing

and imports its engine inside, so that the other engines need not be installed.
"""
