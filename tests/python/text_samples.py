"""Strings that tokenizers get wrong: seeded, so that every run sees the same ones."""

import random

WORDS = [
    "The",
    "quick",
    "fox",
    "isn't",
    "we'll",
    "I'VE",
    "don't",
    "naïve",
    "café",
    "O'Reilly",
    "dogs",
]
SCRIPTS = {
    "latin": "ÀÉîõüßøåœłžşğİıſ",
    "greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюяЁ",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويءآًٌَُ",
    "devanagari": "अआइईउऊकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीुूेैोौ्ंः",
    "thai": "กขคงจฉชซญดตถทนบปผพฟมยรลวสหอะาิีุูเแโใไ่้",
    "cjk": "天地玄黄宇宙洪荒日月盈昃辰宿列张的一是不了人我在有他这中大来上国",
    "kana": "あいうえおかきくけこアイウエオカキクケコー々〆",
    "hangul": "가나다라마바사아자차카타파하한국어ㄱㄴㄷ각",
    "ethiopic": "ሀሁሂሃሄህሆለሉሊላሌልሎ",
    "gothic": "𐌰𐌱𐌲𐌳𐌴𐌵",
    "math": "𝐀𝑩𝒞𝔇∑∏√∞≠≤≥⅓²³₁₂Ⅷ①٣४",
}
FLAGS = ["🏳️\u200d🌈", "🇩🇪", "🇯🇵"]
JOINED = ["👨\u200d👩\u200d👧\u200d👦", "🧑🏿\u200d🚀", "👩\u200d❤️\u200d💋\u200d👨"]
EMOJI = [*"😀🎉☺🫠", "👍🏽", "❤️", "1️⃣", *FLAGS, *JOINED]
COMBINING = ["é", "ạ̈", "Z͑ͫ̓", "́", "क्षि", "ño", "각"]
CONTROLS = [chr(c) for c in range(32)] + ["\x7f", "\x80", "\x85", "\xa0", "\xad"]
INVISIBLE = list("\u200b\u200c\u200d\u200e\u202e\u2028\u2029\u2060\ufeff\ufffd\u3000")
SPACES = [*" \t\n\r\x0b\x0c\u2003", "  ", "   ", "\n\n", "\r\n", " \n ", "\u00a0 "]
SPECIALS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<unk>", "<user>"]
LOOK_ALIKES = ["<0x0A>", "<|im_", "▁", "Ġ"]
CODE = [
    "def f(x):\n    return x ** 2  # ²\n",
    "for (int i = 0; i < 10; ++i) { a[i] += 1; }",
    '{"key": [1, 2.5, null], "b": "\\u00e9"}',
    "https://example.com/a?b=c&d=%20e#f",
    "\t\tif (a\t== b)\n\t\t\treturn;\n\n\n",
    "SELECT * FROM t WHERE a <> 'b''c';",
    "$ ls -la | grep '^d' >> out.txt 2>&1",
]


def _piece(rng: random.Random) -> str:
    kind = rng.randrange(11)
    if kind == 0:
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 8)))
    if kind == 1:
        letters = rng.choice(list(SCRIPTS.values()))
        return "".join(rng.choices(letters, k=rng.randint(1, 12)))
    if kind == 2:
        return "".join(rng.choices(EMOJI, k=rng.randint(1, 4)))
    if kind == 3:
        return "".join(rng.choices(COMBINING, k=rng.randint(1, 3)))
    if kind == 4:
        return "".join(rng.choices(CONTROLS, k=rng.randint(1, 4)))
    if kind == 5:
        return "".join(rng.choices(INVISIBLE, k=rng.randint(1, 3)))
    if kind == 6:
        return rng.choice(SPACES) * rng.randint(1, 9)
    if kind == 7:
        return rng.choice(SPECIALS + LOOK_ALIKES)
    if kind == 8:
        return rng.choice(CODE)
    if kind == 9:
        return "".join(rng.choices("0123456789.,-+eE%", k=rng.randint(1, 12)))
    first, last = rng.choice([(0x20, 0x2FF), (0x300, 0xD7FF), (0xE000, 0x10FFFF)])
    return chr(rng.randint(first, last))


def samples(count: int = 2000, seed: int = 20) -> list[str]:
    """`count` random strings, and before them each building block by itself."""
    rng = random.Random(seed)
    blocks = [*EMOJI, *COMBINING, *CONTROLS, *INVISIBLE, *SPACES, *SPECIALS, *LOOK_ALIKES, *CODE]
    longs = ["a" * 3000, " " * 700, "\n" * 300, "é" * 500, "🎉" * 200]
    fixed = ["", " a", "  a", "a ", "a  ", "\x00a\x00\x00b", *SCRIPTS.values(), *longs, *blocks]
    mixed = ["".join(_piece(rng) for _ in range(rng.randint(1, 9))) for _ in range(count)]
    mixed += ["".join(_piece(rng) for _ in range(600)) for _ in range(4)]
    return fixed + mixed


def id_lists(
    vocabulary_size: int, favoured: list[int], count: int = 400, seed: int = 21
) -> list[list[int]]:
    """Random ids, most of them `favoured` (bytes, parts of characters)."""
    rng = random.Random(seed)

    def one() -> int:
        return rng.choice(favoured) if rng.random() < 0.7 else rng.randrange(vocabulary_size)

    return [[one() for _ in range(rng.randint(0, 40))] for _ in range(count)]
