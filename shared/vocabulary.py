"""What a tokenizer has learned, and its files.

Written from 01_data/05_tokenizer_for_strangers: change it there.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import regex

from shared.bpe import GPT2_PATTERN
from shared.kit.files import write_text


def build_token_bytes(byte_order: Sequence[int], merges: Sequence[tuple[int, int]],
                      special_tokens: Sequence[str], special_first: bool = False,
                      missing_bytes: int = 0) -> list[bytes]:
    """The bytes of every token by id: bytes in the given order, the merges, the special tokens.

    With special_first those stand before the bytes. Raises ValueError if more or fewer bytes than
    missing_bytes have no token, a merge names a token that is not there yet, or special tokens
    repeat.
    """
    known = set(byte_order) & set(range(256))
    if not len(known) == len(byte_order) == 256 - missing_bytes:
        raise ValueError(f"byte_order must hold {256 - missing_bytes} of the 256 bytes, each once, "
                         f"but has {len(known)} of them in {len(byte_order)} entries")
    if "" in special_tokens or len(set(special_tokens)) < len(special_tokens):
        raise ValueError("special tokens must differ and must not be empty: "
                         f"{list(special_tokens)}")
    repeated = len(merges) - len(set(merges))
    if repeated:
        raise ValueError(f"{repeated} of the {len(merges)} merges stand there twice")
    special = [name.encode("utf-8") for name in special_tokens]
    before = special if special_first else []
    token_bytes = [*before, *(bytes([byte]) for byte in byte_order)]
    for number, (a, b) in enumerate(merges):
        if not all(len(before) <= token_id < len(token_bytes) for token_id in (a, b)):
            raise ValueError(f"merge {number} joins the ids {a} and {b}, but only "
                             f"{len(token_bytes)} tokens exist before it")
        token_bytes.append(token_bytes[a] + token_bytes[b])
    return token_bytes if special_first else token_bytes + special


@dataclass(frozen=True)
class VocabularyForm:
    """What may differ between vocabularies of byte pairs; as it stands, GPT-2's."""

    special_first: bool = False  # the special tokens have the lowest ids, not the highest
    pattern: str = GPT2_PATTERN  # finds the pieces that no token may cross
    end_token: str = "<|endoftext|>"  # ends a text
    missing_bytes: int = 0  # so many of the 256 bytes have no token


GPT2_FORM = VocabularyForm()


def number_tokens(byte_order: Sequence[int], merges: Sequence[tuple[int, int]],
                  special_tokens: Sequence[str], special_first: bool) -> list[dict]:
    """The ids of the bytes, of the merges and of the special tokens."""
    names = [("byte", byte) for byte in byte_order] + [("merge", pair) for pair in merges]
    special = [("special", name) for name in special_tokens]
    names = special + names if special_first else names + special
    return [{name: i for i, (kind, name) in enumerate(names) if kind == wanted}
            for wanted in ("byte", "merge", "special")]


def write_vocabulary(path: str | Path, byte_order: Iterable[int], merges: Iterable[tuple[int, int]],
                     special_tokens: Iterable[str], form: VocabularyForm = GPT2_FORM) -> None:
    """Save what a tokenizer has learned as one JSON file.

    Raises ValueError, and leaves an old file as it is, for a token that UTF-8 cannot hold.
    """
    saved = {
        "byte_order": list(byte_order),
        "merges": list(merges),
        "special_tokens": list(special_tokens),
        "form": asdict(form),
    }
    write_text(path, json.dumps(saved, ensure_ascii=False))  # whole or not at all


def read_vocabulary(path: str | Path) -> tuple[list[int], list[tuple[int, int]], list[str],
                                               VocabularyForm]:
    """What `write_vocabulary` wrote, in the order of its arguments.

    Raises ValueError for other files.
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
        merges = [(a, b) for a, b in saved["merges"]]
        form = VocabularyForm(**saved.get("form", {}))  # an older file names none
        build_token_bytes(saved["byte_order"], merges, saved["special_tokens"],
                          form.special_first, form.missing_bytes)
        regex.compile(form.pattern)
    except (AttributeError, KeyError, TypeError, ValueError, regex.error) as error:
        raise ValueError(f"{path} is not a vocabulary that BPETokenizer.save wrote, or it is "
                         f"damaged: {error!r}; train it again and save it") from error
    return saved["byte_order"], merges, saved["special_tokens"], form


def visible_bytes() -> dict[str, int]:
    """The character as which a published vocabulary writes each byte, and the byte.

    It is the character of that number itself, or one from number 256 on. Source: GPT-2's code.
    """
    visible = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    byte_of = {chr(byte): byte for byte in visible}
    hidden = [byte for byte in range(256) if byte not in visible]
    for i, byte in enumerate(hidden):
        byte_of[chr(256 + i)] = byte
    return byte_of


def read_gpt2_files(vocab_bpe: str | Path,
                    encoder_json: str | Path) -> tuple[list[int], list[tuple[int, int]]]:
    """The order of the bytes and the merges of GPT-2.

    Raises ValueError if the two files do not fit together.
    """
    byte_of = visible_bytes()
    try:
        ids = json.loads(Path(encoder_json).read_text(encoding="utf-8"))
        lines = Path(vocab_bpe).read_text(encoding="utf-8").rstrip("\n").split("\n")
        pairs = [line.split(" ") for line in lines[1:]]  # the first line is the version
        characters = sorted(byte_of, key=lambda character: ids[character])
        merges = [(ids[a], ids[b]) for a, b in pairs]
        joined = [ids[a + b] for a, b in pairs]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{vocab_bpe} and {encoder_json} are not GPT-2's files: "
                         f"{error!r}") from error
    if len(ids) > 257 + len(pairs):  # bytes, merges, the end token
        raise ValueError(f"{vocab_bpe} holds {len(pairs)} merges for the {len(ids)} tokens of "
                         f"{encoder_json}: it is cut short, so get it again")
    if joined != list(range(256, 256 + len(pairs))):
        raise ValueError(f"{encoder_json} does not number the merges of {vocab_bpe} in their order")
    return [byte_of[character] for character in characters], merges


# Written by `python -m shared.kit.course copy`: 6622b1122de9
