"""The lab of 01_data/01_tokenization: what a vocabulary knows and what it does not."""

import re
from contextlib import suppress
from functools import lru_cache

from shared.kit.corpora import load_corpus
from shared.kit.plots import PALE, token_boxes
from shared.tokenizer import check_text

WORDS = re.compile(r"""([,.:;?_!"()']|--|\s)""")  # as in 01_data/01_tokenization
KNOWN = PALE[0]
UNKNOWN = PALE[3]
MOST_CHARACTERS = 300
TASK_SHARE = 10  # percent
TASK_WORDS = 5


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
    """A text as words and punctuation marks, as characters, or as bytes in readable form."""
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
def corpus_units(corpus: str, unit: str) -> tuple[str, ...]:
    """A corpus in a unit."""
    return tuple(in_units(load_corpus(corpus), unit))


def vocabulary_lab(text: str, unit: str, share: int, corpus: str = "story") -> str:
    """A text in the vocabulary of the first `share` percent of a corpus; how the task stands."""
    tokens = corpus_units(corpus, unit)
    read = max(1, len(tokens) * share // 100)
    vocabulary = sorted(set(tokens[:read])) if unit != "bytes" else in_bytes()
    ids = {token: i for i, token in enumerate(vocabulary)}
    found = in_units(limited(text), unit)
    unknown = [token for token in found if token not in ids]
    boxes = token_boxes(
        [readable(token.encode("utf-8")) for token in found],
        [KNOWN if token in ids else UNKNOWN for token in found],
        [str(ids.get(token, "unknown")) for token in found],
    )
    counts = (
        f"<p>vocabulary: {len(ids):,} &nbsp; pieces of your text: {len(found)} &nbsp; "
        f"<b>unknown: {len(unknown)}</b></p>"
    )
    return counts + boxes + f"<p>{task(found, len(unknown), unit, share)}</p>"


def task(found: list[str], unknown: int, unit: str, share: int) -> str:
    """What is still missing for the task, or that it is done."""
    if unit != "words" or share > TASK_SHARE:
        return f"Task: words, and at most {TASK_SHARE} % of the text read."
    words = {piece for piece in found if any(character.isalpha() for character in piece)}
    if len(words) < TASK_WORDS:
        return f"Task: {len(words)} different words of {TASK_WORDS}."
    if unknown:
        return f"Task: {len(words)} different words, but {unknown} unknown."
    return f"<b>Found:</b> {len(words)} different words from a tenth of the text, none unknown."
