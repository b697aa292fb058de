"""The exercises of 04_pretraining/10_chat."""

from functools import partial

import pytest
from harness import exercise_tests

from shared.checks.chat import EXERCISES


def template(messages, opening=True, breaks=True, system="", strip=False, closed=False, sep=""):
    text = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    for message in messages:
        content = message["content"].strip() if strip else message["content"]
        text += f"<|im_start|>{message['role']}\n{sep}{content}<|im_end|>" + "\n" * breaks
    text += "<|im_start|>assistant\n" * opening
    return text + "<|im_end|>\n" * closed


def without_content(messages):
    return template([m | {"content": "Hi"} for m in messages])


def cut(lengths, limit, step=2, strict=False, system=True, unit=1):
    dropped = 0
    while lengths[0] * system + sum(lengths[1 + dropped :]) > limit - strict:
        if dropped > len(lengths):
            break
        dropped += step
    return dropped // unit


def by_reverse(lengths, limit):
    """From the end: pairs that still fit stay."""
    left = limit - lengths[0] - lengths[-1]
    pairs = list(zip(lengths[1:-1:2], lengths[2:-1:2]))
    kept = 0
    for question, answer in reversed(pairs):
        left -= question + answer
        if left < 0:
            break
        kept += 1
    return 2 * (len(pairs) - kept)


RIGHT = {"template": template, "cut": cut, "cost": (730, 4150)}


@pytest.mark.parametrize("answer", [cut, by_reverse])
def test_the_cut_written_in_other_ways(answer):
    assert EXERCISES["cut"].judge(answer) is None


WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("template", "no opening", partial(template, opening=False), "assistant's answer is missing"),
    ("template", "no line break", partial(template, breaks=False), "line breaks"),
    ("template", "a system prompt", partial(template, system="Be kind."), "more turns"),
    ("template", "stripped", partial(template, strip=True), "spaces differ"),
    ("template", "a space", partial(template, sep=" "), "spaces differ"),
    ("template", "closed", partial(template, closed=True), "model's to write"),
    ("template", "content lost", without_content, "content is missing"),
    ("template", "a list", lambda messages: [template(messages)], "must return text"),
    (
        "template",
        "another mark",
        lambda m: template(m).replace("im_start", "start"),
        r"after '<\|' comes",
    ),
    ("cut", "one turn at a time", partial(cut, step=1), "go together"),
    ("cut", "pairs", partial(cut, unit=2), "count turns, not pairs"),
    ("cut", "below the limit", partial(cut, strict=True), "limit itself"),
    ("cut", "without the system prompt", partial(cut, system=False), "system prompt counts too"),
    ("cut", "nothing", lambda lengths, limit: 0, "leave too much"),
    ("cut", "text", lambda lengths, limit: "2", "expected one number"),
    ("cost", "swapped", (4150, 730), "the order is"),
    ("cost", "no system prompt", (700, 4150), "once"),
    ("cost", "system prompt each time", (1000, 4150), "not for each"),
    ("cost", "last answer unread", (680, 4150), "last answer"),
    ("cost", "answers unread", (730, 3650), "while it writes"),
    ("cost", "no growth", (730, 7300), "grows"),
    ("cost", "system prompt once", (730, 3880), "before every answer"),
    ("cost", "one number", 730, r"a tuple, \(kept, afresh\)"),
]

test_answers, test_tables = exercise_tests("chat", RIGHT, WRONG)
