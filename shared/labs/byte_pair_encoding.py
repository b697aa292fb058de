"""The lab of 01_data/02_byte_pair_encoding: how bytes join into GPT-2's tokens."""

import html
from collections.abc import Sequence
from functools import lru_cache

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from shared.bpe import merge_pair, split_pieces
from shared.kit.gpt2_vocabulary import get_tokenizer, gpt2_files
from shared.kit.plots import BLUE, ORANGE, PALE, RED, token_boxes
from shared.labs.tokenization import limited, readable
from shared.tokenizer import BPETokenizer

NEW = PALE[1]  # the token that the last merge has made
Step = tuple[tuple[int, int] | None, tuple[tuple[int, ...], ...]]  # a pair, pieces of ids


@lru_cache(maxsize=1)
def gpt2_bpe() -> BPETokenizer:
    """GPT-2's tokenizer in our own code, loaded once."""
    return BPETokenizer.from_gpt2_files(*gpt2_files())


@lru_cache(maxsize=32)
def merge_trace(text: str) -> tuple[Step, ...]:
    """Every step of encoding with GPT-2's merges: the pair joined, and each piece's ids after it.

    Each step applies one merge wherever it fits, the one learned first before the others.
    """
    tokenizer = gpt2_bpe()
    pieces = tuple(
        tuple(tokenizer.byte_ids[byte] for byte in piece.encode("utf-8"))
        for piece in split_pieces(text)
    )
    trace = [(None, pieces)]
    while True:
        pairs = {pair for piece in pieces for pair in zip(piece, piece[1:])}
        possible = [pair for pair in pairs if pair in tokenizer.merges]
        if not possible:
            return tuple(trace)
        pair = min(possible, key=tokenizer.merges.get)
        pieces = tuple(tuple(merge_pair(piece, pair, tokenizer.merges[pair])) for piece in pieces)
        trace.append((pair, pieces))


def merge_stepper(text: str, step: int) -> tuple[str, Figure]:
    """A text after `step` of GPT-2's merges, beside tiktoken's answer; the tokens a step."""
    trace = merge_trace(limited(text))
    step = min(step, len(trace) - 1)
    pair, pieces = trace[step]
    new_id = gpt2_bpe().merges[pair] if pair else None
    ids = [i for piece in pieces for i in piece]
    answer = get_tokenizer().encode(limited(text), disallowed_special=())
    per_character = len(ids) / len(limited(text))
    same = "the same as ours" if ids == answer else "not yet the same"
    page = (
        f"<p><b>step {step} of {len(trace) - 1}</b>: {what_was_joined(pair)}<br>{len(ids)} tokens, "
        f"{per_character:.2f} tokens per character</p>"
        f"{boxes_with_ids(ids, piece_colours(pieces, new_id))}"
        f"<p>tiktoken: {len(answer)} tokens, {same}</p>{boxes_with_ids(answer, None)}"
        f"{task(pieces) if ids == answer else ''}"
    )
    sizes = [sum(map(len, pieces)) for _, pieces in trace]
    return page, step_figure(sizes, step, len(answer))


def task(pieces: Sequence[Sequence[int]]) -> str:
    """Which of the two words that the page asks for stand among the finished pieces."""
    words = {  # letters, without their space, and the number of tokens
        piece_text(piece): len(piece) for piece in pieces if piece_text(piece).isalpha()
    }
    long = [word for word, tokens in words.items() if len(word) >= 10 and tokens == 1]
    short = [word for word, tokens in words.items() if len(word) == 5 and tokens >= 3]
    asked = {"ten letters or more in one token": long, "five letters in three tokens": short}
    found = [
        f"{what}: {'<b>found</b>, ' + html.escape(words[0]) if words else 'not yet'}"
        for what, words in asked.items()
    ]
    return f"<p>Your task. A word of {found[0]}. A word of {found[1]}.</p>"


def piece_text(piece: Sequence[int]) -> str:
    """The text of a piece's ids, without the space in front."""
    return b"".join(gpt2_bpe().token_bytes[i] for i in piece).decode().removeprefix(" ")


def what_was_joined(pair: tuple[int, int] | None) -> str:
    """A merge in words: the two tokens, the new one, its number."""
    if pair is None:
        return "no merge yet: every byte is a token"
    tokenizer = gpt2_bpe()
    left, right = (html.escape(repr(readable(tokenizer.token_bytes[i]))) for i in pair)
    new_id = tokenizer.merges[pair]
    return f"joined {left} + {right} into token {new_id:,}, GPT-2's merge number {new_id - 255:,}"


def piece_colours(pieces: Sequence[Sequence[int]], new_id: int | None) -> list[str]:
    """A colour for each id: two that alternate from piece to piece, and one for the new id."""
    colours = []
    for number, piece in enumerate(pieces):
        colour = PALE[0] if number % 2 else PALE[2]
        colours += [NEW if i == new_id else colour for i in piece]
    return colours


def boxes_with_ids(ids: list[int], colours: list[str] | None) -> str:
    """Boxes with the text or bytes of GPT-2's tokens, their ids below."""
    texts = [readable(gpt2_bpe().token_bytes[i]) for i in ids]
    return token_boxes(texts, colours, [str(i) for i in ids])


def step_figure(tokens: list[int], step: int, final: int) -> Figure:
    """The number of tokens after each merge, the step shown as a dot, tiktoken's as a line."""
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
