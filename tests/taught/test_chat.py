"""A conversation that is read once: kept caches change no word, and everything is whole."""

import os
import subprocess
import sys

import pytest
import torch

from shared import chat as chat_module
from shared.chat import (
    Chat,
    chat_answer,
    chat_commands,
    common_start,
    continue_text,
    token_chooser,
    whole_characters,
)
from shared.checkpoints import save_checkpoint
from shared.conversation import conversation_ids
from shared.generation import stream_tokens
from shared.gguf_weights import gguf_tokenizer
from shared.gpt import GPTConfig, GPTModel
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.real_model import stand_in
from shared.kit.repository import ROOT
from shared.llama import LlamaConfig, LlamaModel
from shared.training_state import TrainingState


@pytest.fixture(scope="module")
def tokenizer():
    return gguf_tokenizer(stand_in())


@pytest.fixture(params=["gpt", "llama"])
def model(request, tokenizer):
    torch.manual_seed(123)
    if request.param == "gpt":
        cfg = GPTConfig(tokenizer.n_vocab, 400, emb_dim=32, n_heads=4, n_layers=2)
        return GPTModel(cfg).eval()
    cfg = LlamaConfig(tokenizer.n_vocab, 400, 32, 4, 2, n_layers=2, hidden_dim=64)
    return LlamaModel(cfg).eval()


def read_afresh(chat: Chat, i: int) -> list[int]:
    """The answer behind turn i, written by a model that remembers nothing."""
    idx = torch.tensor([conversation_ids(chat.turns[: i + 1], chat.tokenizer)])
    stream = stream_tokens(
        chat.model, idx, chat.max_new_tokens, chat.context_size, eos_id=chat.closing[0]
    )
    return [token.item() for token in stream]


def written(chat: Chat, i: int) -> list[int]:
    """The ids of an answer without its marks."""
    return list(chat.turns[i].ids[len(chat.opening) : -len(chat.closing)])


def ask(chat: Chat, *messages: str, **settings) -> list[str]:
    return ["".join(chat_answer(chat, message, **settings)) for message in messages]


def count_passes(model) -> list[int]:
    passes = []
    model.register_forward_pre_hook(lambda module, given: passes.append(given[0].size(1)))
    return passes


# ---- kept caches


def test_kept_caches_change_no_token(model, tokenizer):
    chat = Chat(model, tokenizer, max_new_tokens=12)
    ask(chat, "Hello", "And you?", "Why?")
    assert [t.role for t in chat.turns] == ["system"] + ["user", "assistant"] * 3
    for i in (1, 3, 5):
        assert written(chat, i + 1) == read_afresh(chat, i)


def test_each_token_is_read_once(model, tokenizer):
    passes = count_passes(model)
    chat = Chat(model, tokenizer, max_new_tokens=12)
    ask(chat, "Hello", "And you?", "Why?")
    assert sum(passes) == len(chat.read) == chat.caches[0].length
    assert chat.read == [i for turn in chat.turns for i in turn.ids][: len(chat.read)]


def test_what_is_remembered_is_what_a_full_pass_computes(model, tokenizer):
    chat = Chat(model, tokenizer, max_new_tokens=8)
    ask(chat, "Hello", "And you?")
    with torch.no_grad():
        full = model(torch.tensor([chat.read + chat.closing]))[:, len(chat.read) :]
        kept = model(torch.tensor([chat.closing]), chat.caches)
    assert torch.allclose(kept, full, atol=1e-4)


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_stopped_answer_ends_where_it_was_and_the_next_one_is_right(model, tokenizer, stop_after):
    chat = Chat(model, tokenizer, max_new_tokens=20)
    ask(chat, "Hello")
    stream = chat_answer(chat, "Tell me more")
    pieces = [next(stream) for _ in range(stop_after)]
    stream.close()
    assert chat.turns[-1].content.startswith("".join(pieces))
    assert list(chat.turns[-1].ids[-len(chat.closing) :]) == chat.closing
    ask(chat, "Go on")
    assert written(chat, 6) == read_afresh(chat, 5)


class Interrupting(torch.nn.Module):
    """A model that Ctrl-C hits in the middle of a pass, when some caches know more than others."""

    def __init__(self, model, at):
        super().__init__()
        self.model, self.cfg, self.trf_blocks, self.at = model, model.cfg, model.trf_blocks, at
        self.number = 0

    def forward(self, idx, caches=None):
        self.number += 1
        if self.number == self.at:
            full = self.trf_blocks[-1].forward
            self.trf_blocks[-1].forward = self.interrupt
            try:
                return self.model(idx, caches)
            finally:
                self.trf_blocks[-1].forward = full
        return self.model(idx, caches)

    def interrupt(self, *given):
        raise KeyboardInterrupt


@pytest.mark.parametrize("at", [1, 4])
def test_an_interrupt_in_the_middle_of_a_pass_spoils_nothing(model, tokenizer, at):
    chat = Chat(Interrupting(model, at), tokenizer, max_new_tokens=20)
    with pytest.raises(KeyboardInterrupt):
        ask(chat, "Hello")
    assert {cache.length for cache in chat.caches} == {len(chat.read)}
    ask(chat, "Go on")
    assert written(chat, 4) == read_afresh(chat, 3)


def test_another_system_prompt_in_the_middle_is_read_with_all_that_follows(model, tokenizer):
    chat = Chat(model, tokenizer, max_new_tokens=8)
    ask(chat, "Hello")
    chat.instruct("Be kind.")
    ask(chat, "And you?")
    assert [t.content for t in chat.turns if t.role == "system"] == ["Be kind."]
    assert written(chat, 4) == read_afresh(chat, 3)
    chat.instruct(" ")
    assert [t.role for t in chat.turns] == ["user", "assistant"] * 2
    ask(chat, "Why?")
    assert written(chat, 5) == read_afresh(chat, 4)


def test_a_new_conversation_keeps_the_system_prompt_in_the_cache(model, tokenizer):
    chat = Chat(model, tokenizer, max_new_tokens=8)
    ask(chat, "Hello", "Why?")
    chat.restart()
    assert [t.role for t in chat.turns] == ["system"] and chat.dropped == 0
    passes = count_passes(model)
    ask(chat, "And you?")
    assert written(chat, 2) == read_afresh(chat, 1)
    assert passes[0] < len(conversation_ids(chat.turns[:2], tokenizer)) - 20


def test_the_same_question_again_is_answered_again(model, tokenizer):
    """All of its prompt is remembered, and the last token must be read once more."""
    chat = Chat(model, tokenizer, max_new_tokens=8)
    first = ask(chat, "Hello")
    chat.restart()
    assert ask(chat, "Hello") == first and written(chat, 2) == read_afresh(chat, 1)


def test_a_full_context_drops_whole_turns_and_counts_them(model, tokenizer):
    chat = Chat(model, tokenizer, "Be kind.", context_size=110, max_new_tokens=16)
    dropped = []
    for number in range(6):
        ask(chat, f"Question {number}")
        dropped.append(chat.dropped)
        assert [t.role for t in chat.turns[:2]] == ["system", "user"]
        assert written(chat, len(chat.turns) - 1) == read_afresh(chat, len(chat.turns) - 2)
        assert chat.caches[0].length <= 110
        assert len(chat.turns) + chat.dropped == 1 + 2 * (number + 1)
    assert dropped[0] == 0 < dropped[-1] and all(n % 2 == 0 for n in dropped)


# ---- bad input


@pytest.mark.parametrize(
    "message, settings, said",
    [
        ("", {}, "message of the user is empty"),
        ("word " * 500, {}, "shorten"),
        ("Hi", {"temperature": -1.0}, "temperature=-1"),
        ("Hi", {"temperature": 1.0, "top_p": 0.0}, "top_p=0"),
    ],
)
def test_a_refused_message_leaves_the_conversation_as_it_was(
    model, tokenizer, message, settings, said
):
    chat = Chat(model, tokenizer, max_new_tokens=8)
    ask(chat, "Hello")
    turns, read = list(chat.turns), list(chat.read)
    with pytest.raises(ValueError, match=said):
        ask(chat, message, **settings)
    assert chat.turns == turns and chat.read == read and chat.dropped == 0
    ask(chat, "And you?")
    assert written(chat, 4) == read_afresh(chat, 3)


def test_a_chat_needs_marks_and_room(model, tokenizer):
    with pytest.raises(ValueError, match="no token"):
        Chat(model, get_tokenizer())
    with pytest.raises(ValueError, match="context_size=50.*max_new_tokens=100"):
        Chat(model, tokenizer, context_size=50, max_new_tokens=100)
    with pytest.raises(ValueError, match="context_length=400"):
        Chat(model, tokenizer, context_size=500)


# ---- choosing and streaming


def test_the_same_seed_draws_the_same_answer(model, tokenizer):
    def drawn(seed: int) -> list[str]:
        chat = Chat(model, tokenizer, max_new_tokens=20)
        return ask(chat, "Hi", temperature=1.0, generator=torch.Generator().manual_seed(seed))

    assert drawn(1) == drawn(1) != drawn(2)


def test_the_chooser_takes_the_best_or_stays_within_top_p():
    logits = torch.tensor([[0.0, 3.0, 2.9, -50.0]])
    assert token_chooser()(logits).tolist() == [[1]]
    choose = token_chooser(1.0, 0.9, torch.Generator().manual_seed(1))
    assert {choose(logits).item() for _ in range(200)} == {1, 2}


@pytest.mark.parametrize("text", ["ok 🦭!", "naïve", "日本語", "🇩🇪🦭"])
def test_characters_come_whole(tokenizer, text):
    tokens = [torch.tensor([[i]]) for i in tokenizer.encode_ordinary(text)]
    pieces = list(whole_characters(tokens, tokenizer))
    assert "".join(pieces) == text and "\ufffd" not in "".join(pieces) and all(pieces)
    assert (
        list(whole_characters(tokens[:-1], tokenizer))[-1].endswith("\ufffd") or text[-1] < "\x80"
    )


def test_what_two_sequences_share():
    assert common_start([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_start([1, 2], [1, 2, 3]) == 2
    assert common_start([1, 2, 3], [1, 2]) == 2
    assert common_start([], [1]) == common_start([1], [2]) == 0


def test_a_text_goes_on_without_a_template(model, tokenizer):
    pieces = list(continue_text(model, tokenizer, "the", 10))
    idx = torch.tensor([tokenizer.encode_ordinary("the")])
    tokens = [t.item() for t in stream_tokens(model, idx, 10, 400)]
    assert "".join(pieces) == tokenizer.decode(tokens)
    cut = continue_text(model, tokenizer, "the", 10, eos_id=tokens[3])
    assert "".join(cut) == tokenizer.decode(tokens[: tokens.index(tokens[3])])
    with pytest.raises(ValueError, match="at least one token"):
        next(continue_text(model, tokenizer, "", 10))


def test_commands(model, tokenizer):
    chat = Chat(model, tokenizer, max_new_tokens=4)
    ask(chat, "Hi")
    commands = chat_commands(chat)
    assert "new" in commands["/new"]("") and [t.role for t in chat.turns] == ["system"]
    assert "'Be kind.'" in commands["/system"]("Be kind.")
    assert chat.turns[0].content == "Be kind."


# ---- in a terminal


def run_terminal(*arguments: str, typed: str | None = "", **variables: str):
    """`python -m shared.chat`, with lines typed; None: a standard input that is closed."""
    environment = os.environ | {"LLM_COURSE_GGUF": "stand-in", "PYTHONPATH": str(ROOT)} | variables
    command = [sys.executable, "-m", "shared.chat", *arguments]
    if typed is None:
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    return subprocess.run(
        command, input=typed, capture_output=True, encoding="utf-8", env=environment
    )


def test_a_conversation_in_a_terminal():
    typed = "Hello\n\n/new\n/system Be kind.\n/what\nnaïve 🦭\n"
    done = run_terminal("--temperature", "0", typed=typed, PYTHONIOENCODING="utf-8")
    assert done.returncode == 0, done.stderr
    assert "a new conversation" in done.stdout and "'Be kind.'" in done.stdout
    assert "no command is named /what" in done.stdout
    assert "stand-in.gguf" in done.stderr and "random weights" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_closed_input_ends_it_cleanly():
    done = run_terminal(typed=None)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_a_checkpoint_of_the_readers_own_goes_on_with_a_text(tmp_path):
    torch.manual_seed(123)
    model = GPTModel(GPTConfig(50257, 64, emb_dim=8, n_heads=2, n_layers=1, tie_weights=True))
    optimizer = torch.optim.AdamW(model.parameters())
    path = tmp_path / "step_1.pt"
    save_checkpoint(path, model, optimizer, TrainingState())
    done = run_terminal(str(path), typed="Every effort\n")
    assert done.returncode == 0, done.stderr
    assert "only text that goes on" in done.stderr and len(done.stdout) > 100


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing")
    for wrong in (path, tmp_path / "missing.gguf"):
        done = run_terminal(str(wrong))
        assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in done.stderr


def test_main_is_called_when_the_module_is_run_and_not_when_it_is_imported():
    source = (ROOT / "shared" / "chat.py").read_text(encoding="utf-8")
    assert 'if __name__ == "__main__":\n    main()' in source and callable(chat_module.main)
