"""The lab of 04_pretraining/10_chat: a conversation as the model sees it, token by token."""

from collections.abc import Callable, Iterator, Sequence

import torch

from shared.chat import Chat, chat_answer, common_start
from shared.conversation import TURN_END, TURN_START, Turn, mark_id
from shared.kit.plots import PALE, token_boxes
from shared.tokenizer import Tokenizer

MARK = "#d0d0d0"
COLOURS = {"system": PALE[1], "user": PALE[0], "assistant": PALE[2]}
MOST_BOXES = 400  # more would make a page slow; the oldest are left out


def legend() -> str:
    """What each colour means, as one line of HTML."""
    style = "color:#000;padding:1px 6px;margin-right:8px"
    names = {"special token": MARK} | COLOURS
    boxes = [
        f'<span style="background:{colour};{style}">{name}</span>' for name, colour in names.items()
    ]
    return f'<p style="margin:4px 0">{"".join(boxes)}</p>'


def boxes_of(turns: Sequence[Turn], tokenizer: Tokenizer) -> tuple[list[str], list[str]]:
    """The tokens of turns as text, and their colours: marks apart, the rest by role."""
    marks = {mark_id(mark, tokenizer) for mark in (TURN_START, TURN_END)}
    texts, colours = [], []
    for turn in turns:
        for token in turn.ids:
            texts.append(tokenizer.decode([token]))
            colours.append(MARK if token in marks else COLOURS[turn.role])
    return texts, colours


def seen_html(turns: Sequence[Turn], tokenizer: Tokenizer, note: str = "") -> str:
    """All tokens of a conversation in coloured boxes, below a legend; a line says how many."""
    texts, colours = boxes_of(turns, tokenizer)
    count = f"what the model sees: {len(texts)} tokens{note}"
    if len(texts) > MOST_BOXES:
        count += f"; the last {MOST_BOXES} are shown"
    boxes = token_boxes(texts[-MOST_BOXES:], colours[-MOST_BOXES:])
    style = "display:flex;flex-direction:column-reverse;max-height:300px;overflow-y:auto"
    return f'<p>{count}</p>{legend()}<div style="{style}">{boxes}</div>'


def chat_parts(
    chat: Chat, generator: torch.Generator | None = None
) -> tuple[Callable[..., Iterator[str]], Callable[[], None], Callable[[str, str], str]]:
    """What a ChatBox asks for: how to answer, how to begin anew, and what the model sees."""

    def answer(message: str, system: str, temperature: float, top_p: float) -> Iterator[str]:
        if system.strip() != system_prompt(chat):
            chat.instruct(system.strip())
        yield from chat_answer(chat, message, temperature, top_p, generator)

    def seen(draft: str, system: str) -> str:
        ids = [token for turn in chat.turns for token in turn.ids]
        note = f", {common_start(chat.read, ids)} of them in the cache"
        if chat.dropped:
            note += f"; {chat.dropped} turns no longer fit and were dropped"
        if draft:
            note += f"; the line holds {len(chat.tokenizer.encode_ordinary(draft))} more"
        if system.strip() != system_prompt(chat):
            note += "; the new system prompt comes with the next message, and all is read again"
        return seen_html(chat.turns, chat.tokenizer, note)

    return answer, chat.restart, seen


def system_prompt(chat: Chat) -> str:
    """The system prompt of a conversation, empty if it has none."""
    return next((turn.content for turn in chat.turns if turn.role == "system"), "")
