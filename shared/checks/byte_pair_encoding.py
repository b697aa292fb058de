"""The exercises of 01_data/02_byte_pair_encoding."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from shared.bpe import merge_pair, most_frequent_pair
from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_type


def judge_number_of_merges(answer: Any) -> str | None:
    slips = {
        1000: "1,000 is the whole vocabulary: it holds the bytes and the special tokens too",
        744: "744 forgets the two special tokens",
        743: "743 leaves room for one special token, but there are two",
        998: "998 forgets the 256 bytes",
        746: "746 adds the special tokens: they take room as well as the bytes",
        258: "258 tokens are there without any merge: how many are left to be learned?",
    }
    how = "each token but the bytes and the special tokens needs one merge"
    return wrong_number(answer, 742, slips, how=how)


def judge_two_merges(answer: Any) -> str | None:
    is_list = isinstance(answer, (list, tuple))
    if not is_list or not all(isinstance(token, str) for token in answer):
        return "the answer is a list of strings, the tokens in their order"
    if "".join(answer) != "banana bandana":
        return f"joined, the tokens must give 'banana bandana', but give {''.join(answer)!r}"
    known = {
        ("ban", "an", "a", " ", "ban", "d", "an", "a"): None,
        ("b", "an", "an", "a", " ", "b", "an", "d", "an", "a"): (
            "that is the state after one merge: do the second"
        ),
        ("b", "an", "ana", " ", "b", "an", "d", "ana"): (
            "two pairs are tied for the second merge: the one that is last in alphabetical order "
            "wins, and 'b' + 'an' comes after 'an' + 'a'"
        ),
        ("ban", "ana", " ", "ban", "d", "ana"): (
            "that is the state after three merges: stop after the second"
        ),
    }
    return known.get(tuple(answer), wrong_tokens(list(answer)))


def wrong_tokens(tokens: list[str]) -> str:
    """A likely slip that leaves these tokens of `banana bandana`."""
    if all(len(token) == 1 for token in tokens):
        return "these are the letters: no pair is joined yet"
    if "na" in tokens:
        return "count again: 'n' + 'a' occurs three times, 'a' + 'n' four times"
    if "ban" in tokens and "b" in tokens:
        return "'b' + 'an' stands in both words: a pair is joined everywhere"
    if len(tokens) != 8:
        return f"two merges leave eight tokens, you have {len(tokens)}"
    return "recount: after the first merge, count pairs of tokens, not of letters"


def reference_merges(text: str, num_merges: int) -> list[list[tuple[bytes, bytes]]]:
    """For each merge in a text read as one piece: the pairs counted most often, the right last."""
    ids = list(text.encode())
    token_bytes = [bytes([byte]) for byte in range(256)]
    merges = []
    for _ in range(num_merges):
        counts = Counter(zip(ids, ids[1:]))
        pair = most_frequent_pair(counts, token_bytes)
        most = max(counts.values())
        tied = [pair for pair, count in counts.items() if count == most]
        merges.append(sorted((token_bytes[a], token_bytes[b]) for a, b in tied))
        ids = merge_pair(ids, pair, len(token_bytes))
        token_bytes.append(token_bytes[pair[0]] + token_bytes[pair[1]])
    return merges


def wrong_merge(
    i: int, found: tuple[bytes, bytes], reference: list[list[tuple[bytes, bytes]]], text: str
) -> str:
    """What merge i should join, and the likely slip. `reference` is what reference_merges gives."""
    tied = reference[i]
    a, b = tied[-1]
    before = [pairs[-1] for pairs in reference[:i]]
    if found in tied:
        return (
            f"at merge {i} the pairs {a} + {b} and {found[0]} + {found[1]} are tied: the one "
            "whose first byte string, then whose second, comes last in alphabetical order "
            "wins"
        )
    said = f"merge {i} joins {a} and {b}, not {found[0]} and {found[1]}."
    if i == 0 and b" " in a + b:
        return f"{said} The whole text is one piece: a space is a byte like any other"
    tokens = [left + right for left, right in before]
    if any(part == b"\xe9" or part == "é".encode() and part not in tokens for part in found):
        return (
            f"{said} The é is two bytes: did you begin with the bytes of the text, not with "
            "its characters?"
        )
    if i == 0:
        return f"{said} The pair that is counted most often is joined"
    if found in before:
        return f"{said} That pair was merge {before.index(found)}: join it everywhere, count again"
    if found[0] + found[1] not in text.encode():
        return (
            f"{said} These bytes stand nowhere in the text side by side: each new token replaces "
            "both old ones, and has its own id"
        )
    if a == b:
        return f"{said} In {3 * a} the pair {a} + {b} is counted twice, as zip does"
    return (
        f"{said} Were the pairs counted again after each merge, and has each new token its own id?"
    )


def is_pair_of_bytes(pair: Any) -> bool:
    is_pair = isinstance(pair, (list, tuple)) and len(pair) == 2
    return is_pair and all(isinstance(part, bytes) for part in pair)


@asks_for_function
def judge_learn_merges(learn: Callable[[str, int], list[tuple[bytes, bytes]]]) -> str | None:
    rng = random.Random(0)
    examples = [("banana bandana", 2), ("to do to do to do go", 1), ("café café", 3)]
    examples += [("".join(rng.choices("abé ", k=40)), rng.randint(1, 6)) for _ in range(30)]
    examples.append(("ABAB ab", 1))
    for text, num_merges in examples:
        found = learn(text, num_merges)
        if hint := wrong_type(found, (list, tuple), "a list of pairs"):
            return hint
        for pair in found:
            if not is_pair_of_bytes(pair):
                return f"each merge is a pair of bytes objects, such as (b'a', b'n'), not {pair!r}"
        if len(found) != num_merges:
            return f"{num_merges} merges were asked for in {text!r}, but {len(found)} came back"
        reference = reference_merges(text, num_merges)
        for i, pair in enumerate(found):
            if tuple(pair) != reference[i][-1]:
                return f"{text!r}: {wrong_merge(i, tuple(pair), reference, text)}"
    return None


EXERCISES = {
    "number_of_merges": Exercise(
        judge_number_of_merges,
        "Each merge adds exactly one token to those that are there from the start.",
    ),
    "two_merges": Exercise(
        judge_two_merges,
        "'a' + 'n' occurs four times. Write the tokens after joining all four; there are ten.",
        "Now 'b' + 'an' and 'an' + 'a' occur twice each. The rule for ties decides.",
    ),
    "learn_merges": Exercise(
        judge_learn_merges,
        "Start with ids = list(text.encode()) and a list of the 256 single bytes.",
        "In each round: count zip(ids, ids[1:]), choose with most_frequent_pair, join with "
        "merge_pair, append the new token's bytes.",
    ),
}
