"""The labs of notebooks 01, 02 and 04 of chapter 4, driven without a kernel."""

import html
import math
import re
import time

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from shared.generation import generate, next_token_probs, text_to_token_ids
from shared.gpt import GPTConfig, GPTModel
from shared.kit.corpora import load_corpus
from shared.kit.widgets import png_bytes
from shared.labs.pretraining import (
    RunSettings,
    TrainingRoom,
    draw_decoding,
    draw_loss,
    draw_next_token,
    draw_runs,
    draw_samples,
    show_samples,
)
from shared.memorization import longest_copied_run
from shared.tokenizer import BPETokenizer

TEXT = load_corpus("story")[:6000]
few = settings(deadline=None, max_examples=15, derandomize=True)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def tokenizer():
    return BPETokenizer.train(TEXT, 400)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(1)
    return GPTModel(GPTConfig(tokenizer.n_vocab, 64, 128, 4, 4)).eval()


@pytest.fixture
def room(tokenizer):
    room = TrainingRoom(TEXT, tokenizer)
    room.controls["epochs"].value = 2
    yield room
    room.stop()
    room.wait(600)


def heights(figure: Figure, axis: int = 0) -> list[float]:
    return [patch.get_height() for patch in figure.axes[axis].patches]


# ---- 01_loss


@few
@given(st.lists(st.floats(-6, 6), min_size=3, max_size=3), st.sampled_from(["rock", "sea", "ship"]))
def test_loss_lab_shows_the_numbers_of_softmax_and_autograd(logits, target):
    z = torch.tensor(logits, requires_grad=True)
    index = ["rock", "sea", "ship"].index(target)
    loss = torch.nn.functional.cross_entropy(z[None], torch.tensor([index]))
    loss.backward()
    figure = draw_loss(*logits, target)
    assert heights(figure, 0) == pytest.approx(z.softmax(-1).tolist(), abs=1e-5)
    assert heights(figure, 2) == pytest.approx(z.grad.tolist(), abs=1e-5)
    assert float(figure.axes[1].get_title().split()[1]) == pytest.approx(loss.item(), abs=2e-3)
    plt.close(figure)


# ---- 02_training_loop


def test_train_records_a_run_and_shows_it(room):
    before = room.picture.value
    room.train_button.click()
    run = room.wait(600)
    assert run.ending == "finished" and run.steps == run.total_steps > 0
    assert len(run.train_losses) == len(run.val_losses) == len(run.track_tokens_seen) > 1
    assert run.track_tokens_seen == sorted(run.track_tokens_seen) and run.train_losses[-1] < run.train_losses[0]
    assert run.sample.startswith("I was for eleven years") and room.picture.value != before
    status = html.unescape(room.status.value)
    assert re.search(r"tokens/s", status) and "finished" in status and html.escape(run.sample) in room.sample.value
    assert not room.train_button.disabled and room.stop_button.disabled


def test_stop_ends_a_run_and_keeps_its_curve(room):
    room.controls["epochs"].value = 40
    room.train_button.click()
    assert room.train_button.disabled and not room.stop_button.disabled
    room.train_button.click()  # a second press starts nothing
    while room.runs[0].steps < 3:
        time.sleep(0.01)
    room.stop_button.click()
    run = room.wait(600)
    assert run.ending == "stopped" and 3 <= run.steps < run.total_steps and run.train_losses
    assert len(room.runs) == 1 and not room.thread.is_alive() and not room.train_button.disabled


def test_remaining_time_is_shown_while_it_runs(room):
    room.controls["epochs"].value = 40
    room.train()
    while "s left" not in room.status.value and room.thread.is_alive():
        time.sleep(0.01)
    assert re.search(r"step \d+ of \d+; training .* tokens/s; \d+ s; \d+ s left", room.status.value)


def test_earlier_runs_stay_and_the_label_says_what_differs(room):
    room.train()
    room.wait(600)
    room.controls["layers"].value, room.controls["drop_rate"].value = 1, 0.0
    room.train()
    room.wait(600)
    assert [run.settings.layers for run in room.runs] == [2, 1]
    labels = [text.get_text() for text in draw_runs(room.runs, 400).axes[0].get_legend().get_texts()]
    assert labels[1] == "run 2: drop rate 0, layers 1" and labels[0].startswith("run 1: learning rate")


def test_equal_settings_give_equal_runs(room):
    for _ in range(2):
        room.train()
        room.wait(600)
    assert room.runs[0].train_losses == room.runs[1].train_losses


def test_a_bad_learning_rate_visibly_diverges(room):
    room.controls["epochs"].value, room.controls["learning_rate"].value = 3, 1.0
    room.train()
    run = room.wait(600)
    assert run.ending.startswith("diverged") or max(run.train_losses) > 3 * math.log(400)  # a blind guess: ln 400


def test_every_control_changes_the_plan(room):
    for name, control in room.controls.items():
        before = room.plan.value
        options = getattr(control, "options", None)
        control.value = options[0] if options else control.min
        assert room.plan.value != before, name
    assert room.settings() == RunSettings(1e-5, 0.0, 1, 1, 0.0, 1, 0.3)


def test_an_error_in_the_thread_is_shown_and_the_room_goes_on(tokenizer):
    room = TrainingRoom("Far too short.", tokenizer)
    room.train()
    assert "too few" in room.wait(600).ending and "too few" in room.status.value
    assert not room.train_button.disabled


def test_without_a_kernel_there_is_a_picture(room):
    bundle = room._repr_mimebundle_()
    assert bundle["text/plain"] == "<TrainingRoom>" and len(bundle["image/png"]) > 1000


# ---- 04_decoding


def test_bars_are_the_probabilities_drawn_from(model, tokenizer):
    with torch.no_grad():
        logits = model(text_to_token_ids("The chart", tokenizer))[:, -1]
    probs = next_token_probs(logits, 0.7, 5)[0]
    figure = draw_next_token(logits.softmax(-1)[0], probs, tokenizer)
    assert heights(figure)[:14] == pytest.approx(sorted(probs.tolist(), reverse=True)[:14], abs=1e-5)
    assert "5 possible" in figure.axes[0].get_title()


@pytest.mark.parametrize("temperature, top_k, top_p", [(0.0, None, None), (1.0, None, None), (1.4, 30, 0.8)])
def test_samples_drawn_together_equal_those_drawn_alone(model, tokenizer, temperature, top_k, top_p):
    idx = text_to_token_ids("The chart", tokenizer)
    together = draw_samples(model, idx, 12, [4, 5, 6], temperature, top_k, top_p)
    for row, seed in zip(together, [4, 5, 6]):
        own = torch.Generator().manual_seed(seed)
        alone = generate(model, idx, 12, 64, temperature, top_k, top_p, generator=own)
        assert torch.equal(row, alone[0, idx.size(1) :])


def test_the_meter_under_each_sample(tokenizer):
    training_ids = tokenizer.encode(TEXT)
    samples = torch.tensor([training_ids[50:70], training_ids[50:60] + [0] * 10])
    shown = show_samples(samples, [1, 2], tokenizer, training_ids)
    assert "longest copied run 20 tokens, 100%" in shown
    assert f"longest copied run {longest_copied_run(samples[1], training_ids)} tokens, 50%" in shown
    assert shown.count("background:") == 20 + 10


@few
@given(st.text(st.characters(), min_size=1, max_size=40), st.just(0.0) | st.floats(1e-9, 2), st.integers(0, 50),
       st.floats(0.05, 1), st.integers(0, 50))
def test_no_typed_text_and_no_position_breaks_the_lab(model, tokenizer, prompt, temperature, top_k, top_p, seed):
    figure, samples = draw_decoding(model, tokenizer, [1, 2, 3], prompt, temperature, top_k, top_p, seed)
    assert png_bytes(figure) and samples.count("longest copied run") == 3


def test_an_empty_prompt_is_explained(model, tokenizer):
    with pytest.raises(ValueError, match="prompt is empty"):
        draw_decoding(model, tokenizer, [1], "", 1.0, 0, 1.0, 1)


def test_a_prompt_longer_than_the_context_goes_on(model, tokenizer):
    figure, samples = draw_decoding(model, tokenizer, [1], TEXT[:2000], 1.0, 0, 1.0, 1)
    assert samples
