"""GPT-2's vocabulary, as OpenAI published it, and tiktoken's tokenizer made of it: no network, no
cache.
"""

import json
from functools import cache
from pathlib import Path

import tiktoken
from tiktoken_ext.openai_public import r50k_pat_str

from shared.kit.downloads import DATA_FOLDER

END_OF_TEXT = "<|endoftext|>"


def gpt2_files() -> tuple[Path, Path]:
    """GPT-2's own merges and vocabulary: vocab.bpe and encoder.json."""
    return DATA_FOLDER / "gpt2" / "vocab.bpe", DATA_FOLDER / "gpt2" / "encoder.json"


def bytes_by_character() -> dict[str, int]:
    """The byte that each character of encoder.json stands for: printable ones for themselves, 256
    on for the rest.
    """
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("\xa1"), ord("\xac") + 1),
        *range(ord("\xae"), 256),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


@cache
def get_tokenizer() -> tiktoken.Encoding:
    """GPT-2's tokenizer, 50,257 tokens, from the files that the course carries.

    From then on `tiktoken.get_encoding("gpt2")`, as the lectures write it, gives the same one.
    """
    ids, byte_of = json.loads(gpt2_files()[1].read_text(encoding="utf-8")), bytes_by_character()
    special_tokens = {END_OF_TEXT: ids.pop(END_OF_TEXT)}
    ranks = {
        bytes(byte_of[character] for character in token): number for token, number in ids.items()
    }
    encoding = tiktoken.Encoding(
        "gpt2",
        pat_str=r50k_pat_str,
        mergeable_ranks=ranks,
        special_tokens=special_tokens,
        explicit_n_vocab=50257,
    )
    return tiktoken.registry.ENCODINGS.setdefault("gpt2", encoding)
