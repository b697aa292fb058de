"""The lab of 01_data/01_tokenization: what a vocabulary knows and what it does not."""

import re
from contextlib import suppress
from functools import lru_cache

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from shared.kit.corpora import load_corpus
from shared.kit.plots import BLUE, PALE, RED, token_boxes
from shared.tokenizer import check_text

WORDS = re.compile(r"""([,.:;?_!"()']|--|\s)""")  # as in 01_data/01_tokenization
KNOWN = PALE[0]
UNKNOWN = PALE[3]
MOST_CHARACTERS = 300


def limited(text: str) -> str:
    """A learner's text. Raises ValueError if it is empty or too long to draw."""
    if not text.strip():
        raise ValueError("the text is empty: type at least one character")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"the text has {len(text)} characters; the lab draws at most {MOST_CHARACTERS}"
        )
    return check_text(text)


def in_units(text: str, unit: str) -> list[str]:
    """A text as words and signs, as characters, or as bytes written in readable form."""
    if unit == "words":
        return [piece for piece in WORDS.split(text) if piece.strip()]
    if unit == "characters":
        return list(text)
    if unit == "bytes":
        return [readable(bytes([byte])) for byte in text.encode("utf-8")]
    raise ValueError(f"no unit is named {unit!r}: there are 'words', 'characters' and 'bytes'")


def readable(token: bytes) -> str:
    """The text of a token, or its bytes in hexadecimal if they are no whole visible character."""
    with suppress(UnicodeDecodeError):
        text = token.decode("utf-8")
        if text.isprintable() or text.isspace():
            return text
    return " ".join(f"{byte:02x}" for byte in token)


def in_bytes() -> list[str]:
    """All 256 bytes in readable form: the vocabulary of bytes needs no text to be complete."""
    return [readable(bytes([byte])) for byte in range(256)]


@lru_cache(maxsize=8)
def vocabulary_growth(unit: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The story in a unit, and how many distinct tokens were met after each of them."""
    tokens = tuple(in_units(load_corpus("story"), unit))
    seen: set[str] = set()
    growth = []
    for token in tokens:
        seen.add(token)
        growth.append(len(seen))
    return tokens, tuple(growth)


def vocabulary_lab(text: str, unit: str, share: int) -> tuple[str, Figure]:
    """A text in the vocabulary of the story's first `share` percent, and how that grew."""
    tokens, growth = vocabulary_growth(unit)
    read = max(1, len(tokens) * share // 100)
    vocabulary = sorted(set(tokens[:read])) if unit != "bytes" else in_bytes()
    ids = {token: i for i, token in enumerate(vocabulary)}
    found = in_units(limited(text), unit)
    unknown = sum(token not in ids for token in found)
    boxes = token_boxes(
        [readable(token.encode("utf-8")) for token in found],
        [KNOWN if token in ids else UNKNOWN for token in found],
        [str(ids.get(token, "unknown")) for token in found],
    )
    figure, ax = plt.subplots(figsize=(6, 2.4))
    ax.plot(growth, color=BLUE)
    ax.plot([read - 1], [growth[read - 1]], "o", color=RED)
    ax.set(xlabel=f"{unit} of the story read", ylabel="distinct ones met")
    ax.set_ylim(0)
    figure.tight_layout()
    counts = (
        f"<p>vocabulary: {len(ids):,} &nbsp; tokens: {len(found)} &nbsp; "
        f"<b>unknown: {unknown}</b></p>"
    )
    return counts + boxes, figure
