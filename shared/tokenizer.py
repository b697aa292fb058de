"""Text to token ids and back. Born in 01_data/02_byte_pair_encoding."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import regex

from shared.bpe import apply_merges, learn_merges, split_pieces


def learn_vocabulary(text: str, vocab_size: int, special_tokens: Collection[str]) -> list[tuple[int, int]]:
    """The merges that fill a vocabulary of 256 bytes, merges and special tokens; these are cut out of the text.

    Raises ValueError for a text that is empty or has too few pairs, or a vocab_size without room for the bytes.
    """
    if not check_text(text):
        raise ValueError("the text is empty, so there is nothing to learn from: give at least one character")
    num_merges = vocab_size - 256 - len(special_tokens)
    if num_merges < 0:
        raise ValueError(f"vocab_size={vocab_size} is too small: 256 bytes and {len(special_tokens)} special tokens "
                         f"need at least {vocab_size - num_merges}")
    ordinary = split_at(check_text(text), special_tokens)[::2]
    return learn_merges([piece for part in ordinary for piece in split_pieces(part)], num_merges)


def build_token_bytes(byte_order: Sequence[int], merges: Sequence[tuple[int, int]],
                      special_tokens: Sequence[str]) -> list[bytes]:
    """The bytes of every token by id: 256 single bytes in the given order, one token a merge, the special ones.

    Raises ValueError if a byte is missing, a merge names a token that is not there yet, or special tokens repeat.
    """
    if sorted(byte_order) != list(range(256)):
        raise ValueError(f"byte_order must hold each of the 256 bytes once, but has {len(set(byte_order))} of them")
    if "" in special_tokens or len(set(special_tokens)) < len(special_tokens):
        raise ValueError(f"special tokens must differ and must not be empty: {list(special_tokens)}")
    if len(set(merges)) < len(merges):
        raise ValueError(f"{len(merges) - len(set(merges))} of the {len(merges)} merges stand there twice")
    token_bytes = [bytes([byte]) for byte in byte_order]
    for a, b in merges:
        if not (0 <= a < len(token_bytes) and 0 <= b < len(token_bytes)):
            raise ValueError(f"merge {len(token_bytes) - 256} joins the ids {a} and {b}, "
                             f"but only {len(token_bytes)} tokens exist before it")
        token_bytes.append(token_bytes[a] + token_bytes[b])
    return token_bytes + [name.encode("utf-8") for name in special_tokens]


def check_text(text: str) -> str:
    """The text; halves of surrogate pairs, which UTF-8 cannot write, become U+FFFD. Raises TypeError if no str."""
    if not isinstance(text, str):
        raise TypeError(f"the text must be a str, not {type(text).__name__}; bytes are decoded first, "
                        "as in data.decode('utf-8')")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def split_at(text: str, marks: Collection[str]) -> list[str]:
    """The text cut around each of the marks: text, mark, text, mark, ..., text. Of several, the longest mark wins."""
    longest_first = sorted(marks, key=len, reverse=True)
    return regex.split("(" + "|".join(map(regex.escape, longest_first)) + ")", text) if marks else [text]


def split_special(text: str, special_tokens: Collection[str], allowed: Any, disallowed: Any) -> list[str]:
    """The text cut around the allowed special tokens. Raises ValueError if it holds a disallowed one."""
    text = check_text(text)
    allowed = set(special_tokens if allowed == "all" else allowed)
    disallowed = set(special_tokens) - allowed if disallowed == "all" else disallowed
    for name in disallowed:
        if name in text:
            raise ValueError(f"the text holds the special token {name!r}: pass allowed_special={{{name!r}}} to encode "
                             "it as one token, or disallowed_special=() to encode it as ordinary text")
    return split_at(text, allowed.intersection(special_tokens))


def encode_pieces(text: str, byte_ids: Mapping[int, int], merges: Mapping[tuple[int, int], int],
                  known: dict[str, list[int]]) -> list[int]:
    """Token ids of ordinary text; `known` remembers up to 50,000 short pieces, since words come again and again."""
    ids = []
    for piece in split_pieces(text):
        found = known.get(piece)
        if found is None:
            found = apply_merges([byte_ids[byte] for byte in piece.encode("utf-8")], merges)
            if len(piece) <= 50 and len(known) < 50_000:
                known[piece] = found
        ids += found
    return ids


def decode_bytes(ids: Iterable[int], token_bytes: Sequence[bytes]) -> bytes:
    """The bytes of all tokens, joined. Raises ValueError for an id outside the vocabulary."""
    ids = list(ids)
    for token_id in ids:
        if not 0 <= token_id < len(token_bytes):
            raise ValueError(f"token id {token_id} is not in the vocabulary: ids run from 0 to {len(token_bytes) - 1}")
    return b"".join(token_bytes[token_id] for token_id in ids)


def read_gpt2_files(vocab_bpe: str | Path, encoder_json: str | Path) -> tuple[list[int], list[tuple[int, int]]]:
    """The order of the bytes and the merges of GPT-2. Raises ValueError if the two files do not fit together."""
    # the files write a byte as one visible character: itself, or for the invisible ones one from number 256 on
    visible = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = {chr(byte): byte for byte in visible} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    try:
        ids = json.loads(Path(encoder_json).read_text(encoding="utf-8"))
        lines = Path(vocab_bpe).read_text(encoding="utf-8").split("\n")[1:-1]  # the first line is the version
        pairs = [tuple(line.split(" ")) for line in lines]
        byte_order = sorted(letters.values(), key={byte: ids[letter] for letter, byte in letters.items()}.get)
        merges = [(ids[a], ids[b]) for a, b in pairs]
        fits = [ids[a + b] for a, b in pairs] == list(range(256, 256 + len(pairs)))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{vocab_bpe} and {encoder_json} are not GPT-2's files: {error!r}") from error
    if not fits:
        raise ValueError(f"{encoder_json} does not number the merges of {vocab_bpe} in their order")
    return byte_order, merges


def write_vocabulary(path: str | Path, byte_order: Iterable[int], merges: Iterable[tuple[int, int]],
                     special_tokens: Iterable[str]) -> None:
    """Save what a tokenizer has learned as one JSON file."""
    saved = {"byte_order": list(byte_order), "merges": list(merges), "special_tokens": list(special_tokens)}
    Path(path).write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8", newline="\n")


def read_vocabulary(path: str | Path) -> tuple[list[int], list[tuple[int, int]], list[str]]:
    """Byte order, merges and special tokens of a file that BPETokenizer.save wrote. Raises ValueError for others."""
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
        merges = [(a, b) for a, b in saved["merges"]]
        build_token_bytes(saved["byte_order"], merges, saved["special_tokens"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a vocabulary that BPETokenizer.save wrote, or it is damaged: {error!r}; "
                         "train it again and save it") from error
    return saved["byte_order"], merges, saved["special_tokens"]


@runtime_checkable
class Tokenizer(Protocol):
    """What the course asks of a tokenizer; tiktoken's have it, and so has BPETokenizer."""

    @property
    def n_vocab(self) -> int:
        """The number of tokens; ids run from 0 to n_vocab - 1."""

    @property
    def eot_token(self) -> int | None:
        """The id of <|endoftext|>, None if the vocabulary lacks it."""

    def encode(self, text: str, *, allowed_special: Set[str] = frozenset()) -> list[int]:
        """Token ids of a text; of the special tokens only the allowed ones become one id each."""

    def decode(self, ids: Sequence[int], /) -> str:
        """The text of token ids."""


class BPETokenizer:
    """Byte pair encoding as in GPT-2, with the interface of tiktoken. Source: Radford et al. 2019, section 2.2."""

    def __init__(self, byte_order: Sequence[int], merges: Sequence[tuple[int, int]],
                 special_tokens: Sequence[str]) -> None:
        self.token_bytes = build_token_bytes(byte_order, merges, special_tokens)
        self.byte_ids, self.known = {byte: i for i, byte in enumerate(byte_order)}, {}
        self.merges = {pair: 256 + i for i, pair in enumerate(merges)}
        self.special_tokens = {name: 256 + len(merges) + i for i, name in enumerate(special_tokens)}
        self.n_vocab, self.eot_token = len(self.token_bytes), self.special_tokens.get("<|endoftext|>")

    @classmethod
    def train(cls, text: str, vocab_size: int, special_tokens: Sequence[str] = ("<|endoftext|>",)) -> "BPETokenizer":
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
        """Write the vocabulary as one JSON file."""
        write_vocabulary(path, self.byte_ids, self.merges, self.special_tokens)

    def encode(self, text: str, *, allowed_special: Any = frozenset(), disallowed_special: Any = "all") -> list[int]:
        """Token ids of a text. Raises ValueError if it holds a special token that is not allowed."""
        ids = []
        for i, part in enumerate(split_special(text, self.special_tokens, allowed_special, disallowed_special)):
            ids += [self.special_tokens[part]] if i % 2 else encode_pieces(part, self.byte_ids, self.merges, self.known)
        return ids

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text of token ids; bytes that are not UTF-8 become U+FFFD. Raises ValueError for an unknown id."""
        return decode_bytes(ids, self.token_bytes).decode("utf-8", errors)
