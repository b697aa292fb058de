"""The exercises of 01_data/05_tokenizer_for_strangers."""

import random
from collections.abc import Callable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_type

LOOKS_OF_100 = 3_774
SQUARE = (
    "the square of the length has the right growth, but is not what the cells count: start from the"
    " 3,774 looks of 100 letters"
)


def judge_looks(answer: Any) -> str | None:
    slips = {
        LOOKS_OF_100 * 1_000: (
            "that would be so if the looks grew with the length: twice the length costs four times"
            " the looks, not two times"
        ),
        LOOKS_OF_100 * 100_000: "100,000 is 1,000 times the first run, not 100,000 times",
        100_000**2: SQUARE,
        100_000**2 / 2: SQUARE,
    }
    how = "by what factor is the run longer than 100 letters, and what does that do to the looks?"
    return wrong_number(answer, LOOKS_OF_100 * 1_000**2, slips, tolerance=0.1, how=how)


def judge_user_text(answer: Any) -> str | None:
    if not isinstance(answer, str) or answer.strip().lower() not in ("a", "b", "c"):
        return 'the answer is one of "a", "b" and "c"'
    slips = {
        "a": "a special token in the text is an error unless it is allowed or not disallowed",
        "b": "with this call the characters of the user become the real mark",
    }
    return slips.get(answer.strip().lower())


def torn(text: str, rng: random.Random) -> list[bytes]:
    """The bytes of a text in parts of one to three bytes, as tokens may hold them."""
    data, parts = text.encode("utf-8"), []
    while data:
        size = rng.randint(1, 3)
        parts.append(data[:size])
        data = data[size:]
    return parts


def printable_after(parts: list[bytes]) -> list[str]:
    """The characters that are complete after each part and were not before."""
    total, shown, wanted = b"", 0, []
    for part in parts:
        total += part
        text = total.decode("utf-8", errors="ignore")
        wanted.append(text[shown:])
        shown = len(text)
    return wanted


def wrong_stream(parts: list[bytes], found: list[str], wanted: list[str]) -> str | None:
    """What is wrong with the strings printed for these parts, and the likely slip."""
    if len(found) != len(parts):
        return f"{len(parts)} tokens, so {len(parts)} strings, but {len(found)} came back"
    if not all(isinstance(text, str) for text in found):
        return "the list must hold strings"
    if "\ufffd" in "".join(found):
        return f"for {parts} a � was printed: an unfinished character must wait for its other bytes"
    if found == wanted:
        return None
    if any(found) and found == ["", *wanted[:-1]]:
        return f"for {parts} each string comes one token late: print what is complete at once"
    if found == ["".join(wanted[: i + 1]) for i in range(len(wanted))]:
        return f"for {parts} you print {found}: what was printed before is printed again"
    if strange := set("".join(found)) - set("".join(wanted)):
        return (
            f"for {parts} you print {min(strange)!r}, which the text does not hold: its bytes are"
            " UTF-8, and several can make one character"
        )
    if "".join(found) != "".join(wanted):
        return (
            f"for {parts} the strings join to {''.join(found)!r}, not to {''.join(wanted)!r}: the"
            " bytes of an unfinished character must be kept for the next token, each once"
        )
    for i, (text, right) in enumerate(zip(found, wanted)):
        if text != right:
            return (
                f"for {parts}, after token {i}, {right!r} can be printed, but you print {text!r}:"
                " print what is complete at once"
            )
    return None


@asks_for_function
def judge_stream(stream: Callable[[list[bytes]], list[str]]) -> str | None:
    rng = random.Random(0)
    examples = [[b"The", b" sea"], ["🐋".encode()[:2], b"\x90", b"\x8b"], [b"na\xc3", b"\xafve"]]
    examples += [torn("".join(rng.choices("ab é海🐋", k=12)), rng) for _ in range(40)]
    for parts in examples:
        found = stream(list(parts))
        if hint := wrong_type(found, (list, tuple), "a list of strings"):
            return hint
        if hint := wrong_stream(parts, list(found), printable_after(parts)):
            return hint
    return None


EXERCISES = {
    "looks": Exercise(
        judge_looks,
        "From 100 to 400 letters, 4 times the length, the looks grew 16 times: 4 squared.",
        "100,000 letters are 1,000 times 100 letters. Square that, and multiply 3,774 by it.",
    ),
    "user_text": Exercise(
        judge_user_text,
        "Two things are wanted: no error, and no real mark. Look at the two calls of split_special"
        " in the section: in which of them does the mark stay within ordinary text?",
    ),
    "stream": Exercise(
        judge_stream,
        "Keep a variable of bytes that could not be printed yet; add each token to it.",
        "held.decode('utf-8', errors='ignore') leaves out the unfinished character at the end. What"
        " it gave back, encoded again, says how many bytes of held are used up.",
    ),
}
