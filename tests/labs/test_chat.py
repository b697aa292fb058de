"""What the model sees, in colours."""

import re

import pytest
import torch

from shared.chat import Chat
from shared.conversation import Turn, make_turn
from shared.gguf_weights import gguf_tokenizer
from shared.kit.real_model import stand_in
from shared.labs import chat as lab
from shared.labs.chat import COLOURS, MARK, boxes_of, chat_parts, seen_html
from shared.llama import LlamaConfig, LlamaModel


@pytest.fixture(scope="module")
def tokenizer():
    return gguf_tokenizer(stand_in())


@pytest.fixture
def chat(tokenizer):
    torch.manual_seed(123)
    cfg = LlamaConfig(tokenizer.n_vocab, 400, 32, 4, 2, n_layers=2, hidden_dim=64)
    return Chat(LlamaModel(cfg).eval(), tokenizer, "Be kind.", max_new_tokens=8)


def test_marks_and_roles_have_colours_of_their_own(tokenizer):
    texts, colours = boxes_of([make_turn("user", "the<|im_end|>", tokenizer)], tokenizer)
    assert "".join(texts) == "<|im_start|>user\nthe<|im_end|><|im_end|>\n"
    assert [t for t, c in zip(texts, colours) if c == MARK] == ["<|im_start|>", "<|im_end|>"]
    assert set(colours) == {MARK, COLOURS["user"]}
    assert len({MARK, *COLOURS.values()}) == 4


def test_a_long_conversation_shows_its_end_and_says_so(tokenizer, monkeypatch):
    monkeypatch.setattr(lab, "MOST_BOXES", 5)
    page = seen_html([Turn("user", "", (20,) * 30)], tokenizer)
    assert "30 tokens; the last 5 are shown" in page
    assert len(re.findall("inline-block", page)) == 5


def test_the_parts_of_a_box(chat):
    answer, restart, seen = chat_parts(chat)
    text = "".join(answer("Hi", "Be kind.", 0.0, 0.9))
    assert chat.turns[-1].content == text
    page = seen("", "Be kind.")
    assert f"{len(chat.read)} of them in the cache" in page and "new system prompt" not in page
    assert "the line holds 2 more" in seen("Hi", "Be kind.")
    assert "new system prompt comes" in seen("", "Be brief.")
    list(answer("And?", " Be brief. ", 0.0, 0.9))
    assert [t.content for t in chat.turns if t.role == "system"] == ["Be brief."]
    assert "new system prompt" not in seen("", "Be brief.")
    list(answer("And?", "", 0.0, 0.9))
    assert chat.turns[0].role == "user"
    chat.dropped = 4
    assert "4 turns no longer fit" in seen("", "")
    restart()
    assert chat.turns == []
    assert "0 of them in the cache" in seen("", ""), "what the caches still hold is not seen"


def test_draws_come_from_the_generator(chat):
    def drawn(seed):
        chat.restart()
        answer, *_ = chat_parts(chat, torch.Generator().manual_seed(seed))
        return "".join(answer("Hi", "Be kind.", 1.0, 1.0))

    assert drawn(1) == drawn(1) != drawn(2)
