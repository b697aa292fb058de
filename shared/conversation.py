"""Conversation.

Written from 04_pretraining/10_chat: change it there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.tokenizer import Tokenizer

MESSAGE_ROLES = ("system", "user", "assistant")
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
SMOLLM_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


def mark_id(mark: str, tokenizer: Tokenizer) -> int:
    """The id of a mark of the chat template. Raises ValueError if it is no single token."""
    ids = tokenizer.encode(mark, allowed_special={mark})
    if len(ids) != 1:
        raise ValueError(f"the tokenizer has no token {mark!r}, so its model was never taught this "
                         "chat template: take a model that was, or let this one continue text")
    return ids[0]


@dataclass(frozen=True)
class Turn:
    """One message of a conversation, with the ids by which the model reads it."""

    role: str
    content: str
    ids: tuple[int, ...]


def make_turn(role: str, content: str, tokenizer: Tokenizer) -> Turn:
    """A message in the template; marks that its content spells stay ordinary text.

    Raises ValueError for an unknown role, an empty message or a tokenizer without the marks.
    """
    if role not in MESSAGE_ROLES:
        raise ValueError(f"role={role!r} is unknown: a message is of one of {MESSAGE_ROLES}")
    if not content.strip():
        raise ValueError(f"the message of the {role} is empty: give at least one word")
    start = mark_id(TURN_START, tokenizer)
    end = mark_id(TURN_END, tokenizer)
    inside = tokenizer.encode_ordinary(f"{role}\n{content}")
    return Turn(role, content, (start, *inside, end, *tokenizer.encode_ordinary("\n")))


def make_turns(messages: Sequence[Mapping[str, str]], tokenizer: Tokenizer,
               system: str = SMOLLM_SYSTEM) -> list[Turn]:
    """The turns of messages {"role": ..., "content": ...}; `system` opens them if none does.

    Raises ValueError for an empty conversation, or a message that `make_turn` refuses.
    """
    if not messages:
        raise ValueError("the conversation is empty: give at least one message")
    turns = []
    if system and messages[0].get("role") != "system":
        turns.append(make_turn("system", system, tokenizer))
    for number, message in enumerate(messages, 1):
        if not {"role", "content"} <= set(message):
            raise ValueError(f"message {number} has the fields {sorted(message)}: it needs 'role' "
                             "and 'content'")
        turns.append(make_turn(message["role"], message["content"], tokenizer))
    return turns


def answer_opening(tokenizer: Tokenizer) -> list[int]:
    """What stands before an answer: the mark and the role, and nothing else yet."""
    return [mark_id(TURN_START, tokenizer), *tokenizer.encode_ordinary("assistant\n")]


def conversation_ids(turns: Sequence[Turn], tokenizer: Tokenizer) -> list[int]:
    """All turns as one sequence that ends where the assistant's answer begins."""
    return [i for turn in turns for i in turn.ids] + answer_opening(tokenizer)


def fit_turns(turns: Sequence[Turn], limit: int) -> list[Turn]:
    """The turns without the oldest questions and answers, so that at most `limit` tokens are left.

    The system prompt stays, and what follows it begins with a question.
    Raises ValueError if the system prompt and the last question are too long by themselves.
    """
    system = [turn for turn in turns[:1] if turn.role == "system"]
    rest = list(turns[len(system):])
    length = sum(len(turn.ids) for turn in turns)
    while length > limit:
        questions = [i for i in range(1, len(rest)) if rest[i].role == "user"]
        if not questions:
            raise ValueError(f"the last message and the system prompt take {length} tokens, and "
                             f"the context has room for {limit}: shorten one of them")
        length -= sum(len(turn.ids) for turn in rest[:questions[0]])
        rest = rest[questions[0]:]
    return system + rest


# Written by `python -m shared.kit.course copy`: fbe87c529e18
