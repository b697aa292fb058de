"""The exercises of 01_data/05_tokenizer_for_strangers."""

import codecs

import pytest
from harness import exercise_tests

from shared.checks import verdict


def with_a_decoder(parts):
    decoder = codecs.getincrementaldecoder("utf-8")()
    return [decoder.decode(part) for part in parts]


def by_trying(parts):
    printed, held = [], b""
    for part in parts:
        held += part
        for end in range(len(held), -1, -1):
            try:
                text = held[:end].decode()
                break
            except UnicodeDecodeError:
                continue
        printed.append(text)
        held = held[end:]
    return printed


def all_again(parts):
    texts = [b"".join(parts[:i]).decode("utf-8", "ignore") for i in range(len(parts) + 1)]
    return [after[len(before) :] for before, after in zip(texts, texts[1:])]


def only_whole(parts):
    """Waits until everything held is valid: complete characters wait with the unfinished one."""
    printed, held = [], b""
    for part in parts:
        held += part
        try:
            printed.append(held.decode())
            held = b""
        except UnicodeDecodeError:
            printed.append("")
    return printed


def never_emptied(parts):
    printed, held = [], b""
    for part in parts:
        held += part
        printed.append(held.decode("utf-8", "ignore"))
    return printed


def counted_in_characters(parts):
    printed, held = [], b""
    for part in parts:
        held += part
        printed.append(held.decode("utf-8", "ignore"))
        held = held[len(printed[-1]) :]
    return printed


def at_the_end(parts):
    return [""] * (len(parts) - 1) + [b"".join(parts).decode()]


RIGHT = {"looks": 3_774_000_000, "user_text": "c", "stream": with_a_decoder}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("looks", "as if it grew with the length", 3_774_000, "four times"),
    ("looks", "the letters for the factor", 377_400_000, "1,000 times the first run"),
    ("looks", "the square of the length", 10**10, "3,774 looks"),
    ("looks", "half the square", 5 * 10**9, "3,774 looks"),
    ("looks", "the third power", 3.774e12, "too large"),
    ("looks", "the looks of 400 letters", 60_099, "too small"),
    ("user_text", "the default", "a", "is an error"),
    ("user_text", "all allowed", "b", "real mark"),
    ("user_text", "the call itself", "encode(question)", "one of"),
    ("stream", "each alone", lambda p: [x.decode("utf-8", "replace") for x in p], "� was printed"),
    ("stream", "ignored", lambda p: [x.decode("utf-8", "ignore") for x in p], "must be kept"),
    ("stream", "everything at the end", at_the_end, "complete at once"),
    ("stream", "waits for valid bytes", only_whole, "complete at once"),
    ("stream", "printed again and again", never_emptied, "printed again"),
    ("stream", "counted in characters", counted_in_characters, "each once"),
    ("stream", "one token late", lambda p: ["", *with_a_decoder(p)[:-1]], "one token late"),
    ("stream", "byte by byte", lambda p: [x.decode("latin-1") for x in p], "does not hold"),
    ("stream", "one string", lambda p: b"".join(p).decode(), "a list of strings"),
    ("stream", "only what is not empty", lambda p: [t for t in with_a_decoder(p) if t], "so 3 str"),
    ("stream", "bytes", lambda p: p, "must hold strings"),
]

test_answers, test_tables = exercise_tests("tokenizer_for_strangers", RIGHT, WRONG)


@pytest.mark.parametrize("answer", [3_774_000_000.0, 3.75e9, 4e9, 3 * 100_000**2 / 8])
def test_about_as_many_looks(answer):
    assert verdict("tokenizer_for_strangers/looks", answer) == "right"


@pytest.mark.parametrize("stream", [by_trying, all_again, with_a_decoder])
def test_ways_to_stream(stream):
    assert verdict("tokenizer_for_strangers/stream", stream) == "right"


@pytest.mark.parametrize("answer", ["c", "C", " c "])
def test_letters(answer):
    assert verdict("tokenizer_for_strangers/user_text", answer) == "right"
