"""What a tokenizer has learned, and its files.

Written from 01_data/05_tokenizer_for_strangers: change it there.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path


def build_token_bytes(byte_order: Sequence[int], merges: Sequence[tuple[int, int]],
                      special_tokens: Sequence[str]) -> list[bytes]:
    """The bytes of every token by id: 256 bytes in the given order, the merges, the special ones.

    Raises ValueError if a byte is missing, a merge names a token that is not there yet, or
    special tokens repeat.
    """
    if sorted(byte_order) != list(range(256)):
        raise ValueError("byte_order must hold each of the 256 bytes once, "
                         f"but has {len(set(byte_order))} of them")
    if "" in special_tokens or len(set(special_tokens)) < len(special_tokens):
        raise ValueError("special tokens must differ and must not be empty: "
                         f"{list(special_tokens)}")
    repeated = len(merges) - len(set(merges))
    if repeated:
        raise ValueError(f"{repeated} of the {len(merges)} merges stand there twice")
    token_bytes = [bytes([byte]) for byte in byte_order]
    for a, b in merges:
        if not (0 <= a < len(token_bytes) and 0 <= b < len(token_bytes)):
            raise ValueError(f"merge {len(token_bytes) - 256} joins the ids {a} and {b}, "
                             f"but only {len(token_bytes)} tokens exist before it")
        token_bytes.append(token_bytes[a] + token_bytes[b])
    return token_bytes + [name.encode("utf-8") for name in special_tokens]


def write_vocabulary(path: str | Path, byte_order: Iterable[int], merges: Iterable[tuple[int, int]],
                     special_tokens: Iterable[str]) -> None:
    """Save what a tokenizer has learned as one JSON file."""
    saved = {
        "byte_order": list(byte_order),
        "merges": list(merges),
        "special_tokens": list(special_tokens),
    }
    Path(path).write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8", newline="\n")


def read_vocabulary(path: str | Path) -> tuple[list[int], list[tuple[int, int]], list[str]]:
    """Byte order, merges and special tokens of a file that BPETokenizer.save wrote.

    Raises ValueError for other files.
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
        merges = [(a, b) for a, b in saved["merges"]]
        build_token_bytes(saved["byte_order"], merges, saved["special_tokens"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a vocabulary that BPETokenizer.save wrote, or it is "
                         f"damaged: {error!r}; train it again and save it") from error
    return saved["byte_order"], merges, saved["special_tokens"]


def read_gpt2_files(vocab_bpe: str | Path,
                    encoder_json: str | Path) -> tuple[list[int], list[tuple[int, int]]]:
    """The order of the bytes and the merges of GPT-2.

    Raises ValueError if the two files do not fit together.
    """
    # the files write each byte as a visible character: itself, or one from number 256 on
    visible = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    byte_of = {chr(byte): byte for byte in visible}
    hidden = [byte for byte in range(256) if byte not in visible]
    for i, byte in enumerate(hidden):
        byte_of[chr(256 + i)] = byte
    try:
        ids = json.loads(Path(encoder_json).read_text(encoding="utf-8"))
        lines = Path(vocab_bpe).read_text(encoding="utf-8").split("\n")
        pairs = [line.split(" ") for line in lines[1:-1]]  # the first line is the version
        characters = sorted(byte_of, key=lambda character: ids[character])
        merges = [(ids[a], ids[b]) for a, b in pairs]
        joined = [ids[a + b] for a, b in pairs]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{vocab_bpe} and {encoder_json} are not GPT-2's files: "
                         f"{error!r}") from error
    if joined != list(range(256, 256 + len(pairs))):
        raise ValueError(f"{encoder_json} does not number the merges of {vocab_bpe} in their order")
    return [byte_of[character] for character in characters], merges


# Written by `python -m shared.kit.course copy`: be2fcca46aaa
