"""The exercises of 04_pretraining/10_chat."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, not_a_tuple, wrong_number, wrong_type

CONVERSATIONS = (
    [("user", "Hi")],
    [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello."),
        ("user", "Why?\n\nTell me."),
    ],
    [("user", "<b> & {x} %s"), ("assistant", "  spaces  "), ("user", "naïve 🙂")],
)
START, END = "<|im_start|>", "<|im_end|>"
OPENING = f"{START}assistant\n"


def written(messages: Sequence[tuple[str, str]]) -> str:
    """A conversation in the template."""
    turns = [f"{START}{role}\n{content}{END}\n" for role, content in messages]
    return "".join(turns) + OPENING


@asks_for_function
def judge_template(answer: Callable[[Sequence[Mapping[str, str]]], str]) -> str | None:
    for conversation in CONVERSATIONS:
        given = [{"role": role, "content": content} for role, content in conversation]
        text = answer([dict(message) for message in given])
        right = written(conversation)
        if hint := wrong_type(text, str, "text"):
            return hint
        if text != right:
            return explain_template(text, right, conversation)
    return None


def explain_template(text: str, right: str, conversation: Sequence[tuple[str, str]]) -> str:
    """What a written conversation has that the right one has not."""
    if text + OPENING == right:
        return "the beginning of the assistant's answer is missing at the end"
    if text.startswith(right) and END in text[len(right) :]:
        return "the answer's turn is only opened: its <|im_end|> is the model's to write"
    if text.replace("\n", "") == right.replace("\n", ""):
        return (
            "the marks are right, the line breaks are not: one behind the role, one behind the end"
        )
    if text.count(START) > right.count(START):
        return "there are more turns than messages: no system prompt is added here"
    if text.replace(" ", "") == right.replace(" ", ""):
        return "the spaces differ: roles and contents stand as they are, and nothing is stripped"
    contents = [content for _, content in conversation]
    if any(content not in text for content in contents):
        return "a message's content is missing or changed"
    place = next(
        (i for i, (a, b) in enumerate(zip(text, right)) if a != b), min(len(text), len(right))
    )
    return f"after {right[max(0, place - 20) : place]!r} comes {right[place : place + 20]!r}"


LENGTHS = (
    [4, 3, 5, 3, 5, 3],
    [10, 2],
    [6, 9, 1, 2, 8, 4, 4, 3],
    [1, 1, 1, 1, 1, 1, 1, 1],
    [0, 5, 5, 5, 5, 5],
)


def right_cut(lengths: Sequence[int], limit: int) -> int:
    """How many turns go, two at a time."""
    dropped = 0
    while lengths[0] + sum(lengths[1 + dropped :]) > limit:
        dropped += 2
    return dropped


@asks_for_function
def judge_cut(answer: Callable[[Sequence[int], int], int]) -> str | None:
    for lengths in LENGTHS:
        for limit in range(lengths[0] + lengths[-1], sum(lengths) + 2):
            found = answer(list(lengths), limit)
            right = right_cut(lengths, limit)
            case = f"for lengths {lengths} and limit {limit}"
            if hint := wrong_number(found, right):
                careless = right_cut([0, *lengths[1:]], limit)
                return explain_cut(found, right, careless, hint, case)
    return None


def explain_cut(found: Any, right: int, careless: int, hint: str, case: str) -> str:
    """Which slip leads to another count of dropped turns."""
    if not isinstance(found, int) or isinstance(found, bool):
        return f"{hint} {case}"
    if found == careless:
        return f"{found} dropped turns leave too much {case}: the system prompt counts too"
    if found == right // 2 and right:
        return f"count turns, not pairs: {found} is too small {case}"
    if found % 2:
        return f"a question and its answer go together, so the count is even: {found} {case}"
    if found > right:
        return f"{found} turns are more than needed {case}: the limit itself is allowed"
    return f"{found} dropped turns leave too much {case}"


def judge_cost(answer: Any) -> str | None:
    if hint := not_a_tuple(answer, "kept", "afresh"):
        return hint
    kept, afresh = answer
    right = (730, sum(30 + 20 * n + 50 * (n - 1) + 50 for n in range(1, 11)))
    if (kept, afresh) == right[::-1]:
        return "the order is: with kept caches, without"
    slips = {
        700: "the system prompt must be read too, once",
        1000: "the system prompt is read once, not for each question",
        680: "the last answer is read too, while it is written",
    }
    how = "with kept caches each token is read once"
    if hint := wrong_number(kept, right[0], slips, how=how):
        return hint
    slips = {
        right[1] - 500: "while it writes, the model reads each answer's 50 tokens too",
        right[1] - 270: "the system prompt stands before every answer",
        right[1] - 300: "the system prompt must be read too, before every answer",
        7300: "before the first answer there is only one question: the conversation grows",
    }
    how = "add what stands before each of the ten answers, and the answer itself"
    return wrong_number(afresh, right[1], slips, how=how)


EXERCISES = {
    "template": Exercise(
        judge_template,
        "a message: the start mark, role, line break, content, the end mark, line break",
        "behind the last message stands the start mark, the word assistant and a line break",
    ),
    "cut": Exercise(
        judge_cut,
        "count all that is left: lengths[0] and the turns behind those that are dropped",
        "as long as that is more than the limit, drop two more",
    ),
    "cost": Exercise(
        judge_cost,
        "write down what stands before the first answer, and what before the second",
        "before answer n stand 30 + 20 n + 50 (n - 1) tokens",
    ),
}
