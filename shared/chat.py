"""Chat.

Written from 04_pretraining/10_chat: change it there.
"""

import argparse
import codecs
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from shared.conversation import (
    SMOLLM_SYSTEM,
    TURN_END,
    Turn,
    answer_opening,
    conversation_ids,
    fit_turns,
    make_turn,
    mark_id,
)
from shared.generation import KVCache, greedy, next_token_probs, stream_tokens
from shared.kit.real_model import is_smollm2, language_model_file
from shared.kit.terminal import talk
from shared.model_files import open_language_model
from shared.tokenizer import Tokenizer


def whole_characters(tokens: Iterable[Tensor], tokenizer: Tokenizer) -> Iterator[str]:
    """The text of a stream of tokens, (1, 1) each, piece by piece, no character in two parts."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for token in tokens:
        piece = decoder.decode(tokenizer.decode_single_token_bytes(token.item()))
        if piece:
            yield piece
    rest = decoder.decode(b"", final=True)  # half a character at the very end
    if rest:
        yield rest


def token_chooser(temperature: float = 0.0, top_p: float | None = None,
                  generator: torch.Generator | None = None) -> Callable[[Tensor], Tensor]:
    """How a token is chosen from logits, (B, V) -> (B, 1): the best one at temperature 0, else
    drawn. Raises ValueError, at once, for settings out of range.
    """
    if temperature == 0:
        return greedy
    next_token_probs(torch.zeros(1, 1), temperature, top_p=top_p)  # refuses them before a stream

    def draw(logits: Tensor) -> Tensor:
        probs = next_token_probs(logits, temperature, top_p=top_p)  # (B, V)
        return torch.multinomial(probs, 1, generator=generator)  # (B, 1)

    return draw


def common_start(read: Sequence[int], ids: Sequence[int]) -> int:
    """How many tokens two sequences share from the first one on."""
    pairs = enumerate(zip(read, ids))
    return next((i for i, (a, b) in pairs if a != b), min(len(read), len(ids)))


def continue_text(model: nn.Module, tokenizer: Tokenizer, text: str, max_new_tokens: int,
                  temperature: float = 0.0, top_p: float | None = None,
                  generator: torch.Generator | None = None,
                  eos_id: int | None = None) -> Iterator[str]:
    """What the model writes behind a text, piece by piece, without any template.

    Raises ValueError, at the first piece, for an empty text or settings out of range.
    """
    choose = token_chooser(temperature, top_p, generator)
    idx = torch.tensor([tokenizer.encode_ordinary(text)], dtype=torch.long,
                       device=next(model.parameters()).device)  # (1, T)
    stream = stream_tokens(model, idx, max_new_tokens, model.cfg.context_length, choose,
                           eos_id)
    yield from whole_characters(stream, tokenizer)


class Chat:
    """A conversation with one model, which reads each token once: its caches are kept.

    `turns` is what the model sees, `dropped` counts those that no longer fit into the context.
    Raises ValueError for a tokenizer without the marks, or a context without room for an answer.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer, system: str = SMOLLM_SYSTEM,
                 context_size: int | None = None, max_new_tokens: int = 256) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.context_size = context_size or model.cfg.context_length
        self.max_new_tokens = max_new_tokens
        self.opening = answer_opening(tokenizer)
        self.closing = [mark_id(TURN_END, tokenizer), *tokenizer.encode_ordinary("\n")]
        self.room = self.context_size - len(self.opening) - max_new_tokens  # for all turns
        if self.room < 1 or self.context_size > model.cfg.context_length:
            raise ValueError(f"context_size={self.context_size} and max_new_tokens="
                             f"{max_new_tokens} leave {self.room} tokens for the turns of a model "
                             f"with context_length={model.cfg.context_length}")
        self.caches = [KVCache() for _ in model.trf_blocks]
        self.read: list[int] = []  # the ids whose keys and values the caches hold
        self.turns: list[Turn] = []
        self.dropped = 0
        self.instruct(system)

    def instruct(self, system: str) -> None:
        """Put another system prompt before all turns; an empty one leaves none."""
        rest = [turn for turn in self.turns if turn.role != "system"]
        opening = [make_turn("system", system, self.tokenizer)] if system.strip() else []
        self.turns = opening + rest

    def restart(self) -> None:
        """Begin anew: only the system prompt stays."""
        self.turns = [turn for turn in self.turns if turn.role == "system"]
        self.dropped = 0


def chat_answer(chat: Chat, message: str, temperature: float = 0.0, top_p: float | None = None,
                  generator: torch.Generator | None = None) -> Iterator[str]:
    """Ask, and yield the answer piece by piece; closed early, the answer ends where it was.

    Turns that no longer fit are dropped whole, oldest first; `chat.dropped` counts them.
    Raises ValueError, and leaves the conversation as it was, for a message that is empty or too
    long, or settings out of range.
    """
    choose = token_chooser(temperature, top_p, generator)
    turns = [*chat.turns, make_turn("user", message, chat.tokenizer)]
    chat.turns = fit_turns(turns, chat.room)
    chat.dropped += len(turns) - len(chat.turns)
    ids = conversation_ids(chat.turns, chat.tokenizer)
    idx = torch.tensor([ids], device=next(chat.model.parameters()).device)  # (1, T)
    forget_after(chat, common_start(chat.read, ids[:-1]))  # one at least is to be read
    stream = stream_tokens(chat.model, idx, chat.max_new_tokens, chat.context_size, choose,
                           chat.closing[0], chat.caches)
    written: list[Tensor] = []
    try:
        yield from whole_characters(noting(stream, written), chat.tokenizer)
    finally:
        answer = [token.item() for token in written]
        chat.read = ids + answer
        forget_after(chat, min(cache.length for cache in chat.caches))
        content = chat.tokenizer.decode(answer)
        chat.turns.append(Turn("assistant", content, (*chat.opening, *answer, *chat.closing)))


def forget_after(chat: Chat, length: int) -> None:
    """Keep what the model remembers of the first `length` tokens alone."""
    chat.read = chat.read[:length]
    for cache in chat.caches:
        cache.keep(length)


def noting(tokens: Iterable[Tensor], written: list[Tensor]) -> Iterator[Tensor]:
    """The same tokens, each put into a list as it passes."""
    for token in tokens:
        written.append(token)
        yield token


def chat_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The choices behind `python -m shared.chat`; None takes those of the command line."""
    parser = argparse.ArgumentParser(prog="python -m shared.chat",
                                     description="Talk to a language model in this terminal.")
    parser.add_argument("model", nargs="?", type=Path,
                        help="a GGUF file, or a checkpoint of this course; without it SmolLM2")
    parser.add_argument("--tokenizer", type=Path,
                        help="the file of the checkpoint's tokenizer, if it is not GPT-2's")
    parser.add_argument("--system", default=SMOLLM_SYSTEM, help="the system prompt")
    parser.add_argument("--temperature", type=float, default=0.2, help="0: always the best token")
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=123)
    return parser.parse_args(arguments)


def chat_commands(chat: Chat) -> dict[str, Callable[[str], str]]:
    """What /new and /system do in a terminal, and what they say."""
    def new(words: str) -> str:
        chat.restart()
        return "(a new conversation)"

    def system(words: str) -> str:
        chat.instruct(words)
        return f"(the system prompt is now {words!r}, and all is read again)"

    return {"/new": new, "/system": system}


def main(arguments: Sequence[str] | None = None) -> None:
    """Talk in a terminal. `python -m shared.chat --help` names the choices."""
    chosen = chat_options(arguments)
    path = chosen.model or language_model_file()
    print(f"Opening {path.name} ...", file=sys.stderr)
    try:
        model, tokenizer = open_language_model(path, chosen.tokenizer)
    except (ValueError, OSError, MemoryError) as error:
        sys.exit(f"error: {error}")
    if chosen.model is None and not is_smollm2(path):
        print("SmolLM2 is not at hand, so random weights answer. Fetch it once: "
              "python -m shared.kit.smollm2", file=sys.stderr)
    draws = {"temperature": chosen.temperature, "top_p": chosen.top_p,
             "generator": torch.Generator().manual_seed(chosen.seed)}
    try:
        context_size = min(2048, model.cfg.context_length)
        chat = Chat(model, tokenizer, chosen.system, context_size, min(512, context_size // 4))
    except ValueError as error:
        print(f"No conversation, only text that goes on: {error}", file=sys.stderr)
        going_on = partial(continue_text, model, tokenizer, max_new_tokens=100, **draws,
                           eos_id=tokenizer.eot_token)
        return talk(going_on, {})
    talk(partial(chat_answer, chat, **draws), chat_commands(chat))


if __name__ == "__main__":
    main()


# Written by `python -m shared.kit.course copy`: 67abc8a06050
