"""The pictures of 01_tokenization and 02_byte_pair_encoding: what a vocabulary knows, how bytes join."""

import html
import re
from functools import lru_cache

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from shared.bpe import merge_pair, split_pieces
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer, gpt2_files
from shared.kit.plots import BLUE, ORANGE, PALE, RED, token_boxes
from shared.tokenizer import BPETokenizer, check_text

WORDS = re.compile(r"""([,.:;?_!"()']|--|\s)""")  # as in 01_data/01_tokenization
UNKNOWN, NEW = PALE[3], PALE[1]
MOST_CHARACTERS = 300


def limited(text: str) -> str:
    """A learner's text. Raises ValueError if it is empty or too long to draw."""
    if not text.strip():
        raise ValueError("the text is empty: type at least one character")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"the text has {len(text)} characters; the lab draws at most {MOST_CHARACTERS}")
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
    """The text of a token, or its bytes in hexadecimal if it is no whole character."""
    try:
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return " ".join(f"{byte:02x}" for byte in token)
    return text if text.isprintable() or text.isspace() else " ".join(f"{byte:02x}" for byte in token)


@lru_cache(maxsize=8)
def vocabulary_growth(unit: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The story in a unit, and how many distinct tokens were met after each of them."""
    tokens, seen, growth = tuple(in_units(load_corpus("story"), unit)), set(), []
    for token in tokens:
        seen.add(token)
        growth.append(len(seen))
    return tokens, tuple(growth)


def vocabulary_lab(text: str, unit: str, share: int) -> tuple[str, Figure]:
    """A text in the vocabulary of the first `share` percent of the story, and how that vocabulary grew."""
    tokens, growth = vocabulary_growth(unit)
    read = max(1, len(tokens) * share // 100)
    vocabulary = sorted(set(tokens[:read])) if unit != "bytes" else in_bytes()
    ids = {token: i for i, token in enumerate(vocabulary)}
    found = in_units(limited(text), unit)
    unknown = sum(token not in ids for token in found)
    boxes = token_boxes([readable(token.encode("utf-8")) for token in found],
                        [PALE[0] if token in ids else UNKNOWN for token in found],
                        [str(ids.get(token, "unknown")) for token in found])
    figure, ax = plt.subplots(figsize=(6, 2.4))
    ax.plot(growth, color=BLUE)
    ax.plot([read - 1], [growth[read - 1]], "o", color=RED)
    ax.set(xlabel=f"{unit} of the story read", ylabel="distinct ones met")
    ax.set_ylim(0)
    figure.tight_layout()
    return (f"<p>vocabulary: {len(ids):,} &nbsp; tokens: {len(found)} &nbsp; "
            f"<b>unknown: {unknown}</b></p>{boxes}", figure)


def in_bytes() -> list[str]:
    """All 256 bytes in readable form: the vocabulary of bytes needs no text to be complete."""
    return [readable(bytes([byte])) for byte in range(256)]


@lru_cache(maxsize=1)
def gpt2_bpe() -> BPETokenizer:
    """GPT-2's tokenizer in our own code, loaded once."""
    return BPETokenizer.from_gpt2_files(*gpt2_files())


@lru_cache(maxsize=32)
def merge_trace(text: str) -> tuple[tuple[tuple[int, int] | None, tuple[tuple[int, ...], ...]], ...]:
    """Every step of encoding with GPT-2's merges: the pair joined, and the ids of each piece after it.

    Each step applies one merge wherever it fits, the one learned first before the others.
    """
    tokenizer = gpt2_bpe()
    pieces = tuple(tuple(tokenizer.byte_ids[byte] for byte in piece.encode("utf-8")) for piece in split_pieces(text))
    trace = [(None, pieces)]
    while possible := {pair for piece in pieces for pair in zip(piece, piece[1:]) if pair in tokenizer.merges}:
        pair = min(possible, key=tokenizer.merges.get)
        pieces = tuple(tuple(merge_pair(piece, pair, tokenizer.merges[pair])) for piece in pieces)
        trace.append((pair, pieces))
    return tuple(trace)


def merge_stepper(text: str, step: int) -> tuple[str, Figure]:
    """A text after `step` of GPT-2's merges, beside tiktoken's answer, and the number of tokens over the steps."""
    trace, tokenizer = merge_trace(limited(text)), gpt2_bpe()
    step = min(step, len(trace) - 1)
    pair, pieces = trace[step]
    new_id = tokenizer.merges[pair] if pair else None
    ids = [i for piece in pieces for i in piece]
    colours = [NEW if i == new_id else PALE[0] if n % 2 else PALE[2] for n, piece in enumerate(pieces) for i in piece]
    answer = get_tokenizer().encode(limited(text), disallowed_special=())
    if pair:
        left, right = (html.escape(repr(readable(tokenizer.token_bytes[i]))) for i in pair)
        what = f"joined {left} + {right} into token {new_id:,}, GPT-2's merge number {new_id - 255:,}"
    else:
        what = "no merge yet: every byte is a token"
    per_character = len(ids) / len(limited(text))
    same = "the same as ours" if ids == answer else "not yet the same"
    return (f"<p><b>step {step} of {len(trace) - 1}</b>: {what}<br>{len(ids)} tokens, "
            f"{per_character:.2f} tokens per character</p>{boxes_with_ids(ids, colours)}"
            f"<p>tiktoken: {len(answer)} tokens, {same}</p>{boxes_with_ids(answer, None)}",
            step_figure([sum(map(len, pieces)) for _, pieces in trace], step, len(answer)))


def boxes_with_ids(ids: list[int], colours: list[str] | None) -> str:
    """Boxes with the text or bytes of GPT-2's tokens, their ids below."""
    return token_boxes([readable(gpt2_bpe().token_bytes[i]) for i in ids], colours, [str(i) for i in ids])


def step_figure(tokens: list[int], step: int, final: int) -> Figure:
    figure, ax = plt.subplots(figsize=(6, 2.2))
    ax.plot(tokens, color=BLUE, drawstyle="steps-post")
    ax.plot([step], [tokens[step]], "o", color=RED)
    ax.axhline(final, color=ORANGE, linestyle="--", label="tiktoken")
    ax.set(xlabel="merges applied", ylabel="tokens")
    ax.set_ylim(0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    figure.tight_layout()
    return figure
