"""The judges of 01_tokenization and 02_byte_pair_encoding."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from shared.bpe import merge_pair, most_frequent_pair


def wrong_number(answer: Any, right: int, slips: dict[int, str]) -> str | None:
    """A hint if a number is not the right one: the slip that leads to it, or only its direction."""
    if not isinstance(answer, int) or isinstance(answer, bool):
        return f"the answer is a whole number, not {answer!r}"
    if answer == right:
        return None
    return slips.get(answer, f"{answer:,} is too {'small' if answer < right else 'large'}")


# 01_tokenization


def judge_count_pieces(answer: Any) -> str | None:
    return wrong_number(answer, 11, {
        14: "14 counts the three spaces too: split_words drops them",
        9: "9 leaves out the double quotes: each of the two is a piece",
        12: "12 counts the double hyphen twice: it is one piece",
        5: "5 counts only what stands between spaces: signs are pieces of their own",
    })


def judge_build_vocab(build: Callable[[list[str], list[str]], dict[str, int]]) -> str | None:
    rng = random.Random(0)
    for size, specials in ((1, ["<|unk|>"]), (5, ["<|unk|>", "<|endoftext|>"]), (60, ["<|endoftext|>", "<|unk|>"])):
        pieces = [rng.choice("abcdeABCDE,!") * rng.randint(1, 3) for _ in range(size)]
        distinct = sorted(set(pieces))
        found = build(list(pieces), list(specials))
        if not isinstance(found, dict):
            return f"it must return a dictionary, not {type(found).__name__}"
        if found and all(isinstance(key, int) for key in found):
            return "keys and values are swapped: the pieces are the keys, the ids the values"
        if missing := {*distinct, *specials} - set(found):
            return f"for the pieces {pieces[:5]} and the special tokens {specials} the key {min(missing)!r} is missing"
        if surplus := set(found) - {*distinct, *specials}:
            return f"a key is neither a piece nor a special token of this call: {min(surplus, key=str)!r}"
        if sorted(found.values()) != list(range(len(found))):
            return f"the ids must run from 0 to {len(found) - 1} without gaps, but are {sorted(found.values())[:8]}"
        if [found[name] for name in specials] != list(range(len(distinct), len(found))):
            return "the special tokens come last, in the given order"
        if [found[piece] for piece in distinct] != list(range(len(distinct))):
            return "the pieces are not numbered in the order in which sorted() puts them"
    return None


def random_text(rng: random.Random, length: int = 40) -> str:
    return "".join(rng.choice("abcXYZ019_é .,;!?-£[\n\t'") for _ in range(length))


def judge_split_losslessly(split: Callable[[str], list[str]]) -> str | None:
    rng = random.Random(0)
    short = ["a b", "  two  spaces ", "one--two", "£3 [sic]", "café", "my_name", "one \n two"]
    for text in [*short, *(random_text(rng) for _ in range(200))]:
        found = split(text)
        if isinstance(found, str) or not isinstance(found, Iterable):
            return f"it must return a list of strings, not {type(found).__name__}"
        pieces = list(found)
        if not all(isinstance(piece, str) for piece in pieces):
            return f"each piece is a string, not {pieces[0]!r} (findall gives tuples if the pattern holds parentheses)"
        if "" in pieces:
            return f"{text!r} gives an empty piece"
        if "".join(pieces) != text:
            lost = "white space is lost" if re.sub(r"\s", "", text) == "".join(pieces) else "something is lost"
            return f"{lost}: {text!r} comes back as {''.join(pieces)!r}"
        for piece in pieces:
            if not re.fullmatch(r"\s+|\w+|[^\w\s]", piece):
                return f"in {text!r} the piece {piece!r} is neither white space, nor a word, nor one single sign"
        for left, right in zip(pieces, pieces[1:]):
            if re.fullmatch(r"\s+|\w+", left + right):
                return f"in {text!r} the pieces {left!r} and {right!r} are one run: runs are as long as possible"
    return None


# 02_byte_pair_encoding


def judge_number_of_merges(answer: Any) -> str | None:
    return wrong_number(answer, 742, {
        1000: "1,000 is the whole vocabulary: it holds the bytes and the special tokens too",
        744: "744 forgets the two special tokens",
        743: "743 leaves room for one special token, but there are two",
        998: "998 forgets the 256 bytes",
    })


def judge_two_merges(answer: Any) -> str | None:
    if not isinstance(answer, (list, tuple)) or not all(isinstance(token, str) for token in answer):
        return "the answer is a list of strings, the tokens in their order"
    if "".join(answer) != "banana bandana":
        return f"joined, the tokens must give 'banana bandana', but give {''.join(answer)!r}"
    known = {
        ("b", "an", "ana", " ", "b", "an", "d", "ana"): None,
        ("b", "an", "an", "a", " ", "b", "an", "d", "an", "a"): "that is the state after one merge: do the second",
        ("ban", "an", "a", " ", "ban", "d", "an", "a"):
            "two pairs are tied for the second merge: the one that is first in alphabetical order wins, "
            "and 'an' + 'a' comes before 'b' + 'an'",
        ("ban", "ana", " ", "ban", "d", "ana"): "that is the state after three merges: stop after the second",
    }
    return known.get(tuple(answer), "recount: first 'a' + 'n' is the most frequent pair; then count pairs of tokens, "
                                    "not of letters")


def reference_merges(text: str, num_merges: int) -> list[list[tuple[bytes, bytes]]]:
    """For each merge in a text read as one piece: the pairs that are counted most often, the one to join first."""
    ids, token_bytes, merges = list(text.encode()), [bytes([byte]) for byte in range(256)], []
    for _ in range(num_merges):
        counts = Counter(zip(ids, ids[1:]))
        pair, most = most_frequent_pair(counts, token_bytes), max(counts.values())
        merges.append(sorted((token_bytes[a], token_bytes[b]) for (a, b), count in counts.items() if count == most))
        ids = merge_pair(ids, pair, len(token_bytes))
        token_bytes.append(token_bytes[pair[0]] + token_bytes[pair[1]])
    return merges


def wrong_merge(i: int, found: tuple[bytes, bytes], tied: list[tuple[bytes, bytes]]) -> str:
    """What merge i joins, what it should join, and the likely slip. `tied` are the pairs counted most often."""
    a, b = tied[0]
    if found in tied:
        return (f"at merge {i} the pairs {a} + {b} and {found[0]} + {found[1]} are tied: the one whose first byte "
                "string, then whose second, comes first in alphabetical order wins")
    said = f"merge {i} joins {a} and {b}, not {found[0]} and {found[1]}."
    if i == 0 and b" " in a + b:
        return f"{said} The whole text is one piece: a space is a byte like any other"
    if any(len(part) > 1 and part.decode("utf-8", "replace") == "é" for part in found):
        return f"{said} The é is two bytes: did you begin with the bytes of the text, not with its characters?"
    return f"{said} Were the pairs counted again after each merge, and has each new token its own id?" if i else said


def judge_learn_merges(learn: Callable[[str, int], list[tuple[bytes, bytes]]]) -> str | None:
    rng = random.Random(0)
    examples = [("banana bandana", 2), ("to do to do to do go", 1), ("café café", 3)]
    examples += [("".join(rng.choices("abé ", k=40)), rng.randint(1, 6)) for _ in range(30)]
    for text, num_merges in examples:
        found = learn(text, num_merges)
        if not isinstance(found, (list, tuple)):
            return f"it must return a list of pairs, not {type(found).__name__}"
        for pair in found:
            if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(p, bytes) for p in pair)):
                return f"each merge is a pair of bytes objects, such as (b'a', b'n'), not {pair!r}"
        if len(found) != num_merges:
            return f"{num_merges} merges were asked for in {text!r}, but {len(found)} came back"
        for i, (pair, tied) in enumerate(zip(found, reference_merges(text, num_merges))):
            if tuple(pair) != tied[0]:
                return f"{text!r}: {wrong_merge(i, tuple(pair), tied)}"
    return None
