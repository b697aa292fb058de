"""The merge stepper ends where tiktoken does, and no typed text breaks it."""

import re

import matplotlib.pyplot as plt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.widgets import Lab, png_bytes, slider, textbox
from shared.labs.byte_pair_encoding import gpt2_bpe, merge_stepper, merge_trace
from shared.tokenizer import check_text

typed = st.text(st.characters(), min_size=1, max_size=60).filter(lambda t: t.strip())
few = settings(deadline=None, max_examples=25, derandomize=True)


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


@few
@given(typed)
def test_the_last_step_is_tiktokens_answer(text):
    text = check_text(text)
    trace = merge_trace(text)
    last = [i for piece in trace[-1][1] for i in piece]
    assert last == get_tokenizer().encode(text, disallowed_special=())
    sizes = [sum(map(len, pieces)) for _, pieces in trace]
    assert sizes[0] == len(text.encode()) and all(a > b for a, b in zip(sizes, sizes[1:]))
    assert "the same as ours" in merge_stepper(text, 60)[0] or len(trace) > 61
    plt.close("all")


def test_one_step():
    page, figure = merge_stepper("the sea", 0)
    assert "every byte is a token" in page and "7 tokens, 1.00 tokens per character" in words_of(
        page
    )
    assert "not yet the same" in page
    pair, total = merge_trace("the sea")[1][0], len(merge_trace("the sea")) - 1
    new = gpt2_bpe().merges[pair]
    page, figure = merge_stepper("the sea", 1)
    assert f"step 1 of {total}" in page and f"into token {new:,}" in page and "6 tokens" in page
    assert [int(v[0]) for v in figure.axes[0].lines[1].get_data()] == [1, 6]


@pytest.mark.parametrize(
    "text, long, short",
    [
        ("The lighthouse", "lighthouse", None),
        ("a fjord, particularly", "particularly", "fjord"),
        ("The callipers of the calm captain", None, None),
        ("1234567890 \U0001f40b", None, None),
    ],
)
def test_the_lab_says_when_its_words_are_found(text, long, short):
    page = words_of(merge_stepper(text, 60)[0])
    for what, word in (
        ("ten letters or more in one token", long),
        ("five letters in three", short),
    ):
        assert re.search(f"{what}[a-z ]*: {'found , ' + word if word else 'not yet'}", page)
    assert "Your task" not in merge_stepper(text, 1)[0]
    plt.close("all")


def test_a_step_past_the_end_stays_at_the_end():
    assert merge_stepper("sea", 60)[0] == merge_stepper("sea", len(merge_trace("sea")) - 1)[0]


def test_the_lab_draws_a_picture():
    _, figure = merge_stepper("The callipers of the calm captain", step=6)
    assert len(png_bytes(figure)) > 5_000


@pytest.mark.parametrize(
    "text, hint", [("", "empty"), ("  \n", "empty"), ("ab " * 101, "303 characters")]
)
def test_unusable_text_is_explained(text, hint):
    with pytest.raises(ValueError, match=hint):
        merge_stepper(text, step=6)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "a\x00b", "\ud800 x", "👩‍👩‍👧", "<|endoftext|>", "&a;"]
)
def test_strange_text_is_drawn(text):
    page, figure = merge_stepper(text, step=6)
    assert "<script" not in page and "\x00" not in page and not re.search("[\ud800-\udfff]", page)
    assert png_bytes(figure)


def test_moving_the_step_changes_boxes_and_figure():
    lab = Lab(merge_stepper, text=textbox("text", "the sea"), step=slider("step", 0, 0, 60))
    before = [part.value for part in lab.parts]
    lab.controls["step"].value = 2
    assert all(part.value != old for part, old in zip(lab.parts, before))
