"""The labs of chapter 1 as plain functions: their numbers are those of the real code, and no typed text breaks them."""

import re

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.dataloader import create_dataloader
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.widgets import Lab, choice, png_bytes, slider, switch, textbox
from shared.labs.data import (
    gpt2_bpe,
    in_units,
    merge_stepper,
    merge_trace,
    readable,
    vocabulary_lab,
)
from shared.labs.data_tensors import (
    ORDERS,
    position_lab,
    position_vectors,
    same_vectors,
    window_grid,
    window_lab,
    word_vector,
)
from shared.tokenizer import check_text

LABS = {
    "vocabulary": (vocabulary_lab, dict(text="The sea, 1903.", unit="words", share=90)),
    "merges": (merge_stepper, dict(text="The callipers of the calm captain", step=6)),
    "windows": (window_lab, dict(length=40, context=4, stride=1, batch_size=2, drop_last=True)),
    "positions": (position_lab, dict(text="the dog bit the man", order="reversed", scale=0.5, kind="waves")),
}
typed = st.text(st.characters(), min_size=1, max_size=60).filter(lambda t: t.strip())
few = settings(deadline=None, max_examples=25, derandomize=True)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def numbers_below(page: str) -> list[str]:
    return re.findall(r"<small[^>]*>(.*?)</small>", page)


@pytest.mark.parametrize("name", LABS)
def test_a_lab_draws_a_picture(name):
    draw, values = LABS[name]
    _, figure = draw(**values)
    assert len(png_bytes(figure)) > 5_000


# ---- the vocabulary lab


@pytest.mark.parametrize("share", [1, 37, 90, 100])
def test_unknown_words_are_those_that_were_not_read(share):
    words = in_units(load_corpus(), "words")
    known = set(words[: max(1, len(words) * share // 100)])
    page, figure = vocabulary_lab("The captain dropped his telephone.", "words", share)
    unknown = [w for w in ["The", "captain", "dropped", "his", "telephone", "."] if w not in known]
    assert numbers_below(page).count("unknown") == len(unknown) >= 1
    assert f"vocabulary: {len(known):,}" in page and f"unknown: {len(unknown)}" in page
    read, met = figure.axes[0].lines[1].get_data()
    assert int(met[0]) == len(known) and int(read[0]) == max(1, len(words) * share // 100) - 1


@few
@given(typed)
def test_no_byte_is_unknown(text):
    page, _ = vocabulary_lab(text, "bytes", 1)
    assert "unknown: 0" in page and len(numbers_below(page)) == len(check_text(text).encode())
    plt.close("all")


def test_characters_fail_on_what_the_story_lacks():
    assert "unknown: 1" in vocabulary_lab("sea 🐋", "characters", 100)[0]


# ---- the merge stepper


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
    assert "every byte is a token" in page and "7 tokens, 1.00 tokens per character" in words_of(page)
    assert "not yet the same" in page
    pair, total = merge_trace("the sea")[1][0], len(merge_trace("the sea")) - 1
    new = gpt2_bpe().merges[pair]
    page, figure = merge_stepper("the sea", 1)
    assert f"step 1 of {total}" in page and f"into token {new:,}" in page and "6 tokens" in page
    assert [int(v[0]) for v in figure.axes[0].lines[1].get_data()] == [1, 6]


def test_a_step_past_the_end_stays_at_the_end():
    assert merge_stepper("sea", 60)[0] == merge_stepper("sea", len(merge_trace("sea")) - 1)[0]


# ---- the window playground


@pytest.mark.parametrize("length, context, stride, batch_size, drop_last", [
    (22, 4, 4, 2, True), (22, 4, 4, 2, False), (40, 1, 1, 8, True), (40, 16, 16, 8, True), (17, 16, 3, 1, False),
    (30, 3, 7, 2, True), (40, 6, 2, 3, True),
])
def test_windows_and_batches_are_those_of_the_loader(length, context, stride, batch_size, drop_last):
    loader = create_dataloader(range(length), batch_size, context, stride, shuffle=False, drop_last=drop_last)
    seen = [int(token) for x, _ in loader for token in x.flatten()]
    page, _ = window_lab(length, context, stride, batch_size, drop_last)
    assert f"= <b>{len(loader.dataset)}</b>" in page and f"batches of {batch_size}: <b>{len(loader)}</b>" in page
    assert f"never an input: {length - len(set(seen))}</b>" in page
    counted = [seen.count(token) for token in range(length)]
    assert numbers_below(page) == [f"{n}×" if n else "never" for n in counted]


def test_the_grid_marks_inputs_targets_and_dropped_windows():
    grid, times = window_grid(length=8, context=2, stride=2, batch_size=2, windows=3, used=2)
    assert grid == [[1, 1, 3, 0, 0, 0, 0, 0], [0, 0, 1, 1, 3, 0, 0, 0], [0, 0, 0, 0, 4, 4, 3, 0]]
    assert times == [1, 1, 1, 1, 0, 0, 0, 0]


def test_a_context_that_does_not_fit_says_so():
    with pytest.raises(ValueError, match="4 tokens are too few"):
        window_lab(4, 4, 1, 1, True)


# ---- the position playground


@pytest.mark.parametrize("order", ORDERS)
def test_without_positions_every_order_is_the_same_bag(order):
    assert "the two bags are the same" in position_lab("the dog bit the man", order, 0.0, "random table")[0]


@pytest.mark.parametrize("kind", ["random table", "waves"])
@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_with_positions_the_order_shows(kind, scale):
    page, _ = position_lab("a b c", "reversed", scale, kind)
    assert "1 of 3 vectors" in page and "the bags differ" in page, "the middle word keeps its place"
    assert "5 of 5" in position_lab("the dog bit the man", "unchanged", scale, kind)[0]
    assert "3 of 3" in position_lab("sea sea sea", "reversed", scale, kind)[0]


def test_equal_words_have_equal_vectors_and_waves_follow_the_paper():
    assert torch.equal(word_vector("sea"), word_vector("sea")) and not torch.equal(word_vector("sea"), word_vector("a"))
    waves = position_vectors(5, "waves")
    for t in range(5):
        for i in range(3):
            angle = torch.tensor(t / 10_000 ** (2 * i / 6))
            assert torch.allclose(waves[t, 2 * i : 2 * i + 2], torch.stack([angle.sin(), angle.cos()]), atol=1e-6)


def test_same_vectors_counts_each_row_once():
    a = torch.tensor([[1.0, 2], [1, 2], [3, 4]])
    assert same_vectors(a, a) == 3 and same_vectors(a, a[[0, 2, 2]]) == 2 and same_vectors(a, a + 1) == 0


# ---- text that learners type


@pytest.mark.parametrize("name", ["vocabulary", "merges", "positions"])
@pytest.mark.parametrize("text, hint", [("", "empty"), ("  \n", "empty"), ("ab " * 101, "303 characters")])
def test_unusable_text_is_explained(name, text, hint):
    draw, values = LABS[name]
    with pytest.raises(ValueError, match=hint):
        draw(**{**values, "text": text})


@pytest.mark.parametrize("text", ["one", "w " * 13])
def test_a_sentence_of_the_wrong_length(text):
    with pytest.raises(ValueError, match=rf"has {len(text.split())} words"):
        position_lab(text, "reversed", 1.0, "waves")


@pytest.mark.parametrize("name", ["vocabulary", "merges"])
@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a\x00b", "\ud800 x", "👩‍👩‍👧", "<|endoftext|>", "&a;"])
def test_strange_text_is_drawn(name, text):
    draw, values = LABS[name]
    page, figure = draw(**{**values, "text": text})
    assert "<script" not in page and "\x00" not in page and not re.search("[\ud800-\udfff]", page)
    assert png_bytes(figure)


@pytest.mark.parametrize("text", ["$x$ $y$ a_b", "a\x00b c", "海 🐋 שלום"])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_strange_sentences_are_drawn(text):
    assert png_bytes(position_lab(text, "reversed", 1.0, "waves")[1])


def test_readable():
    assert readable(b" sea") == " sea" and readable("é".encode()) == "é"
    assert readable(b"\xf0\x9f") == "f0 9f" and readable(b"\x00") == "00"


# ---- bound to controls


def test_moving_a_control_changes_the_picture():
    lab = Lab(merge_stepper, text=textbox("text", "the sea"), step=slider("step", 0, 0, 60))
    before = [part.value for part in lab.parts]
    lab.controls["step"].value = 2
    assert all(part.value != old for part, old in zip(lab.parts, before))
    lab = Lab(window_lab, length=slider("n", 22, 4, 40), context=slider("T", 4, 1, 16), stride=slider("s", 4, 1, 16),
              batch_size=slider("B", 2, 1, 8), drop_last=switch("drop_last", True))
    for name, value in {"length": 30, "context": 5, "stride": 2, "batch_size": 3, "drop_last": False}.items():
        before = [part.value for part in lab.parts]
        lab.controls[name].value = value
        assert [part.value for part in lab.parts] != before, name
    lab = Lab(position_lab, text=textbox("s", "a b c"), order=choice("o", list(ORDERS)),
              scale=slider("s", 0.5, 0.0, 2.0, 0.1), kind=choice("k", ["random table", "waves"]))
    for name, value in {"order": "moved by one", "scale": 0.0, "text": "b c a"}.items():
        before = lab.parts[1].value
        lab.controls[name].value = value
        assert lab.parts[1].value != before, name
