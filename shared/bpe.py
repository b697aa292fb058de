"""Byte pair encoding: pieces, merges, joining.

Written from 01_data/02_byte_pair_encoding, 01_data/05_tokenizer_for_strangers: change it there.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush

import regex


def most_frequent_pair(pair_counts: Mapping[tuple[int, int], int],
                       token_bytes: Sequence[bytes]) -> tuple[int, int]:
    """The pair counted most often; of several, the one whose byte strings come last.

    Last in alphabetical order: the left token's bytes decide, then the right token's.
    """
    most = max(pair_counts.values())
    tied = [pair for pair, count in pair_counts.items() if count == most]
    return max(tied, key=lambda pair: (token_bytes[pair[0]], token_bytes[pair[1]]))


def merge_pair(ids: Sequence[int], pair: tuple[int, int], new_id: int) -> list[int]:
    """The ids with each occurrence of the pair, from left to right, replaced by new_id."""
    merged = []
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


# a contraction, or an optional space and a run of letters, digits or other signs, or white space
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def split_pieces(text: str, pattern: str = GPT2_PATTERN) -> list[str]:
    """The pieces of a text that no token may cross; joined, they give the text.

    Source: Radford et al. 2019, section 2.2.
    """
    return regex.findall(pattern, text)


def apply_merges(ids: Sequence[int], merges: Mapping[tuple[int, int], int]) -> list[int]:
    """Join pairs, the one learned first before all others, left to right, until no merge fits.

    A heap holds the possible joins and links skip what was joined: n log n steps for n ids,
    however long the piece.
    """
    nothing = -1
    end = len(ids)
    ids = [*ids, nothing]  # ids[end] and ids[-1]: a neighbour that joins with nobody
    left = list(range(-1, end))  # the place of each id's left neighbour
    right = list(range(1, end + 2))
    heap = [(merges[pair], i) for i, pair in enumerate(zip(ids, ids[1:])) if pair in merges]
    heapify(heap)
    while heap:
        new_id, i = heappop(heap)
        j = right[i]
        if merges.get((ids[i], ids[j])) != new_id:
            continue  # one of the two was joined with its other neighbour meanwhile
        ids[i] = new_id
        ids[j] = nothing
        right[i] = right[j]
        left[right[i]] = i
        for a, b in ((left[i], i), (i, right[i])):
            if (ids[a], ids[b]) in merges:
                heappush(heap, (merges[ids[a], ids[b]], a))
    return [token_id for token_id in ids if token_id != nothing]


def learn_merges(pieces: Sequence[str], num_merges: int) -> list[tuple[int, int]]:
    """The first num_merges pairs that byte pair encoding joins in these pieces.

    Merge i makes the token 256 + i.
    Raises ValueError if the pieces run out of pairs. Source: Sennrich et al. 2016, section 3.2.
    """
    distinct = Counter(pieces)  # each distinct piece is kept once, with its number of occurrences
    words = [list(piece.encode("utf-8")) for piece in distinct]
    counts = list(distinct.values())
    token_bytes = [bytes([byte]) for byte in range(256)]
    merges = []
    pair_counts = Counter()
    places = defaultdict(set)  # for each pair, the words in which it has stood

    def count_word(w: int, sign: int) -> None:
        for pair in zip(words[w], words[w][1:]):
            pair_counts[pair] += sign * counts[w]
            places[pair].add(w)
            if not pair_counts[pair]:
                del pair_counts[pair]

    for w in range(len(words)):
        count_word(w, 1)
    while len(merges) < num_merges:
        if not pair_counts:
            raise ValueError(f"the text has pairs for {len(merges)} merges, but {num_merges} were "
                             "asked for: give more text or a smaller vocab_size")
        pair = most_frequent_pair(pair_counts, token_bytes)
        for w in places.pop(pair):  # only words that hold the pair change
            count_word(w, -1)
            words[w] = merge_pair(words[w], pair, len(token_bytes))
            count_word(w, 1)
        token_bytes.append(token_bytes[pair[0]] + token_bytes[pair[1]])
        merges.append(pair)
    return merges


def split_at(text: str, marks: Collection[str]) -> list[str]:
    """The text cut around each of the marks: text, mark, text, ..., text. The longest wins."""
    if not marks:
        return [text]
    longest_first = sorted(marks, key=len, reverse=True)
    return regex.split(f"({'|'.join(map(regex.escape, longest_first))})", text)


def cut_at_white_space(chunks: Iterable[str]) -> Iterator[str]:
    """The same text in other parts, each ending where white space begins: no piece is cut."""
    held: list[str] = []
    for chunk in chunks:
        before = held[-1][-1] if held else ""
        begins = regex.search(r"(?r)(?<=\S)\s", before + chunk)  # (?r): the last such place
        if begins:
            at = begins.start() - len(before)
            yield "".join([*held, chunk[:at]])
            held = [chunk[at:]]
        elif chunk:
            held.append(chunk)
    yield "".join(held)


# Written by `python -m shared.kit.course copy`: 0cd0c7856aba
