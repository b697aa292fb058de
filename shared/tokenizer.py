"""Text to token ids and back.

Written from 01_data/05_tokenizer_for_strangers: change it there.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import regex

from shared.bpe import apply_merges, cut_at_white_space, learn_merges, split_at, split_pieces
from shared.vocabulary import (
    GPT2_FORM,
    VocabularyForm,
    build_token_bytes,
    number_tokens,
    read_gpt2_files,
    read_vocabulary,
    write_vocabulary,
)


def check_text(text: str) -> str:
    """The text, with U+FFFD for halves of surrogate pairs, which UTF-8 cannot write.

    Raises TypeError for anything but a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"the text must be a str, not {type(text).__name__}; "
                        "bytes are decoded first, as in data.decode('utf-8')")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def split_special(text: str, special_tokens: Collection[str], allowed: Any,
                  disallowed: Any) -> list[str]:
    """The text cut around the allowed special tokens. Raises ValueError for a disallowed one."""
    text = check_text(text)
    if allowed == "all":
        allowed = special_tokens
    allowed = set(allowed)
    if disallowed == "all":
        disallowed = set(special_tokens) - allowed
    for name in disallowed:
        if name in text:
            raise ValueError(f"the text holds the special token {name!r}: "
                             f"pass allowed_special={{{name!r}}} to encode it as one token, "
                             "or disallowed_special=() to encode it as ordinary text")
    return split_at(text, allowed.intersection(special_tokens))


def learn_vocabulary(text: str, vocab_size: int,
                     special_tokens: Collection[str]) -> list[tuple[int, int]]:
    """The merges that fill a vocabulary of 256 bytes, merges and special tokens.

    Special tokens are cut out of the text first. Raises ValueError for a text that is empty or
    has too few pairs, or a vocab_size without room for the bytes.
    """
    text = check_text(text)
    if not text:
        raise ValueError("the text is empty, so there is nothing to learn from: "
                         "give at least one character")
    num_merges = vocab_size - 256 - len(special_tokens)
    if num_merges < 0:
        raise ValueError(f"vocab_size={vocab_size} is too small: 256 bytes and "
                         f"{len(special_tokens)} special tokens need at least "
                         f"{vocab_size - num_merges}")
    pieces = []
    for ordinary in split_at(text, special_tokens)[::2]:
        pieces += split_pieces(ordinary)
    return learn_merges(pieces, num_merges)


def encode_ordinary(tokenizer: "BPETokenizer", text: str) -> list[int]:
    """Token ids of a text in which nothing is special; up to 50,000 short pieces are remembered.

    A byte for which the vocabulary has no token is left out.
    """
    ids = []
    for piece in split_pieces(check_text(text), tokenizer.form.pattern):
        found = tokenizer.known.get(piece)
        if found is None:
            known = [byte for byte in piece.encode("utf-8") if byte in tokenizer.byte_ids]
            in_bytes = [tokenizer.byte_ids[byte] for byte in known]
            found = apply_merges(in_bytes, tokenizer.merges)
            if len(piece) <= 50 and len(tokenizer.known) < 50_000:
                tokenizer.known[piece] = found
        ids += found
    return ids


def encode_text(tokenizer: "BPETokenizer", text: str, *, allowed_special: Any = frozenset(),
                disallowed_special: Any = "all") -> list[int]:
    """Token ids of a text. Raises ValueError for a special token that is not allowed."""
    ids = []
    parts = split_special(text, tokenizer.special_tokens, allowed_special, disallowed_special)
    for i, part in enumerate(parts):
        if i % 2:  # special tokens stand at odd places
            ids.append(tokenizer.special_tokens[part])
        else:
            ids += encode_ordinary(tokenizer, part)
    return ids


def encode_batch(tokenizer: "BPETokenizer", texts: Iterable[str], *,
                 allowed_special: Any = frozenset(),
                 disallowed_special: Any = "all") -> list[list[int]]:
    """Token ids of each text, as `encode` gives them."""
    return [encode_text(tokenizer, text, allowed_special=allowed_special,
                        disallowed_special=disallowed_special) for text in texts]


def encode_iterable(tokenizer: "BPETokenizer", chunks: Iterable[str], *,
                    allowed_special: Any = frozenset(),
                    disallowed_special: Any = "all") -> Iterator[int]:
    """The ids of a text that comes in chunks, one by one: those of `encode` of the whole text.

    Raises ValueError for special tokens with white space in them.
    """
    for name in [*tokenizer.special_tokens, *disallowed_special]:  # no letter of "all" is a space
        if regex.search(r"\s", name):
            raise ValueError(f"{name!r} holds white space, where chunks are cut: "
                             "encode the whole text, or name the special token otherwise")
    for part in cut_at_white_space(chunks):
        yield from encode_text(tokenizer, part, allowed_special=allowed_special,
                               disallowed_special=disallowed_special)


def decode_bytes(tokenizer: "BPETokenizer", ids: Iterable[int]) -> bytes:
    """The bytes of all tokens, joined. Raises ValueError for an id outside the vocabulary."""
    ids = list(ids)
    for token_id in ids:
        if not 0 <= token_id < tokenizer.n_vocab:
            raise ValueError(f"token id {token_id} is not in the vocabulary: "
                             f"ids run from 0 to {tokenizer.n_vocab - 1}")
    return b"".join(tokenizer.token_bytes[token_id] for token_id in ids)


def decode_text(tokenizer: "BPETokenizer", ids: Iterable[int], errors: str = "replace") -> str:
    """The text; broken UTF-8 becomes U+FFFD. Raises ValueError for an unknown id."""
    return decode_bytes(tokenizer, ids).decode("utf-8", errors)


def decode_batch(tokenizer: "BPETokenizer", batch: Iterable[Iterable[int]], *,
                 errors: str = "replace") -> list[str]:
    """The text of each list of ids."""
    return [decode_text(tokenizer, ids, errors) for ids in batch]


def decode_single_token_bytes(tokenizer: "BPETokenizer", token: int) -> bytes:
    """The bytes of one token. Raises ValueError for an unknown id."""
    return decode_bytes(tokenizer, [token])


class BPETokenizer:
    """Byte pair encoding as in GPT-2, used like tiktoken. Source: Radford et al. 2019, 2.2."""

    encode = encode_text
    encode_ordinary = encode_ordinary
    encode_batch = encode_batch
    encode_iterable = encode_iterable
    decode = decode_text
    decode_batch = decode_batch
    decode_single_token_bytes = decode_single_token_bytes

    def __init__(self, byte_order: Sequence[int], merges: Sequence[tuple[int, int]],
                 special_tokens: Sequence[str], form: VocabularyForm = GPT2_FORM) -> None:
        parts = (byte_order, merges, special_tokens, form.special_first)
        self.token_bytes = build_token_bytes(*parts, form.missing_bytes)
        self.n_vocab = len(self.token_bytes)
        self.byte_ids, self.merges, self.special_tokens = number_tokens(*parts)
        self.form = form
        self.eot_token = self.special_tokens.get(form.end_token)
        self.known: dict[str, list[int]] = {}  # ids of pieces that were encoded before

    @classmethod
    def train(cls, text: str, vocab_size: int,
              special_tokens: Sequence[str] = ("<|endoftext|>",)) -> "BPETokenizer":
        """Learn from a text; vocab_size counts the 256 bytes, the merges and the special tokens."""
        return cls(range(256), learn_vocabulary(text, vocab_size, special_tokens), special_tokens)

    @classmethod
    def from_gpt2_files(cls, vocab_bpe: str | Path, encoder_json: str | Path) -> "BPETokenizer":
        """GPT-2's tokenizer from the two files that OpenAI published."""
        return cls(*read_gpt2_files(vocab_bpe, encoder_json), ["<|endoftext|>"])

    @classmethod
    def load(cls, path: str | Path) -> "BPETokenizer":
        """The tokenizer that `save` wrote. Raises ValueError if the file is damaged."""
        return cls(*read_vocabulary(path))

    def save(self, path: str | Path) -> None:
        write_vocabulary(path, self.byte_ids, self.merges, self.special_tokens, self.form)


@runtime_checkable
class Tokenizer(Protocol):
    """What the course asks of a tokenizer; tiktoken's have it, and so has BPETokenizer."""

    @property
    def n_vocab(self) -> int:
        """The number of tokens; ids run from 0 to n_vocab - 1."""

    @property
    def eot_token(self) -> int | None:
        """The id of the token that ends a text, None if the vocabulary lacks it."""

    def encode(self, text: str, *, allowed_special: Set[str] = frozenset()) -> list[int]:
        """Token ids of a text; of the special tokens only the allowed ones become one id each."""

    def decode(self, ids: Sequence[int], /) -> str:
        """The text of token ids."""


# Written by `python -m shared.kit.course copy`: 8d15e9d12fe6
