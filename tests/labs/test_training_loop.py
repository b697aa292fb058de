"""The training room as a plain generator, and bound to its sliders."""

import asyncio
import html
import math
import re

import matplotlib.pyplot as plt
import pytest
import torch
from torch import Tensor

import shared.labs.training_loop as room_module
from shared.gpt import GPTConfig, GPTModel
from shared.kit.corpora import load_corpus
from shared.kit.live_lab import LiveLab
from shared.kit.widgets import choice, log_slider, slider
from shared.labs.training_loop import (
    Run,
    RunSettings,
    draw_runs,
    room_loaders,
    run_label,
    status,
    train_in_room,
)
from shared.tokenizer import BPETokenizer
from shared.training import train_model_simple

TEXT = load_corpus("story")[:6000]
SETTINGS = {
    "learning_rate": 3e-3,
    "weight_decay": 0.1,
    "epochs": 2,
    "batch_size": 8,
    "drop_rate": 0.1,
    "layers": 2,
    "train_ratio": 0.9,
}


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer.train(TEXT, 400)


def train(tokenizer: BPETokenizer, runs: list[Run], **changes: float) -> list[tuple]:
    return list(train_in_room(TEXT, tokenizer, runs, **SETTINGS | changes))


def make_room(tokenizer: BPETokenizer, runs: list[Run]) -> LiveLab:
    return LiveLab(
        lambda **settings: train_in_room(TEXT, tokenizer, runs, **settings),
        learning_rate=log_slider("learning rate", 3e-3, -5, 0),
        weight_decay=slider("weight decay", 0.1, 0.0, 1.0, 0.05),
        epochs=slider("epochs", 1, 1, 40),
        batch_size=choice("batch size (windows)", [1, 2, 4, 8, 16], 8),
        drop_rate=slider("dropout (share)", 0.1, 0.0, 0.6, 0.05),
        layers=slider("layers", 2, 1, 6),
        train_ratio=slider("training share of the text", 0.9, 0.3, 0.9, 0.05),
    )


def test_a_run_is_recorded_and_shown(tokenizer):
    runs: list[Run] = []
    shown = train(tokenizer, runs)
    run = runs[0]
    assert len(shown) == run.steps == run.total_steps > 1
    assert len(run.train_losses) == len(run.val_losses) == len(run.track_tokens_seen) > 1
    assert run.track_tokens_seen == sorted(run.track_tokens_seen)
    assert run.train_losses[-1] < run.train_losses[0]
    assert run.sample.startswith("I was for eleven years")
    _, figure, sample = shown[-1]
    assert list(figure.axes[0].lines[0].get_ydata()) == run.train_losses
    assert list(figure.axes[0].lines[1].get_ydata()) == run.val_losses
    assert html.escape(run.sample) in sample
    assert shown[0][1] is not None, "the picture should begin with the first step"


def test_the_room_trains_as_the_loop_of_the_page(tokenizer):
    runs: list[Run] = []
    train(tokenizer, runs)
    torch.manual_seed(123)
    train_loader, val_loader = room_loaders(TEXT, tokenizer, RunSettings(**SETTINGS))
    model = GPTModel(GPTConfig(400, 64, 64, 4, 2, 0.1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1, fused=True)
    train_losses, val_losses, seen = train_model_simple(
        model, train_loader, val_loader, optimizer, "cpu", 2, 1, 2, None, None
    )
    assert runs[0].train_losses == train_losses
    assert runs[0].val_losses == val_losses
    assert runs[0].track_tokens_seen == seen


def test_equal_settings_give_equal_runs(tokenizer):
    runs: list[Run] = []
    train(tokenizer, runs)
    train(tokenizer, runs)
    assert runs[0].train_losses == runs[1].train_losses


def test_the_status_tells_speed_and_time():
    run = Run(RunSettings(**SETTINGS), 110, 22, 11_000, 4.0, [11_000], [5.0], [5.5])
    assert status(run) == (
        "step 22 of 110; training 5.00, validation 5.50; 2,750 tokens/s; 4 of about 20 s"
    )


def test_earlier_runs_stay_and_the_label_says_what_differs(tokenizer):
    runs: list[Run] = []
    train(tokenizer, runs)
    _, figure, _ = train(tokenizer, runs, layers=1, drop_rate=0.0)[-1]
    assert [run.settings.layers for run in runs] == [2, 1]
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels[0] == "run 1: learning rate 0.003"
    assert labels[1] == "run 2: drop rate 0, layers 1"
    assert run_label(3, Run(runs[0].settings, 1), runs[0]) == "run 3: as run 1"


def test_a_bad_learning_rate_visibly_diverges(tokenizer):
    runs: list[Run] = []
    train(tokenizer, runs, epochs=3, learning_rate=1.0)
    assert max(runs[0].train_losses) > 3 * math.log(400)  # a blind guess: ln 400


def test_losses_too_high_to_draw_are_drawn_at_the_top():
    run = Run(RunSettings(**SETTINGS), 2, track_tokens_seen=[8, 16])
    run.train_losses = [6.0, 40.0]
    run.val_losses = [math.nan, 13.0]
    ax = draw_runs([run], 400).axes[0]
    assert list(ax.lines[0].get_ydata()) == [6.0, 12.0] and ax.get_ylim()[1] < 13
    assert "losses above 12 are drawn at 12" in ax.get_title()


def test_a_loss_that_is_not_finite_ends_the_run(tokenizer, monkeypatch):
    calls: list[int] = []

    def broken_loss(*arguments: object) -> Tensor:
        calls.append(1)
        return torch.tensor(torch.nan if len(calls) == 3 else 1.0, requires_grad=True)

    monkeypatch.setattr(room_module, "calc_loss_batch", broken_loss)
    runs: list[Run] = []
    with pytest.raises(FloatingPointError, match="the loss is nan at step 3"):
        train(tokenizer, runs)
    assert runs[0].steps == 2 and len(runs[0].train_losses) == 2, "what came before is kept"


def test_a_text_that_is_too_short_is_explained_and_leaves_no_run(tokenizer):
    runs: list[Run] = []
    with pytest.raises(ValueError, match="too few"):
        next(train_in_room("Far too short.", tokenizer, runs, **SETTINGS))
    with pytest.raises(ValueError, match="windows, too few for a batch of 400: change the batch"):
        next(train_in_room(TEXT, tokenizer, runs, **SETTINGS | {"batch_size": 400}))
    assert runs == []


# ---- bound to its sliders


def test_every_control_says_press_run_and_is_used(tokenizer):
    runs: list[Run] = []
    room = make_room(tokenizer, runs)
    chosen = RunSettings(1e-5, 0.0, 2, 1, 0.0, 1, 0.3)
    for name, control in room.controls.items():
        before = room.message.value
        control.value = getattr(chosen, name)
        assert room.message.value != before and "press Run" in room.message.value, name
    room.run_button.click()
    assert runs[1].settings == chosen


def test_stop_ends_a_run_after_the_step_at_hand_and_keeps_its_curve(tokenizer):
    async def drive() -> None:
        runs: list[Run] = []
        room = make_room(tokenizer, runs)
        room.controls["epochs"].value = 40
        room.run_button.click()
        assert not room.stop_button.disabled
        while len(runs) < 2 or runs[1].steps < 3:
            await asyncio.sleep(0.01)
        room.stop_button.click()
        steps = runs[1].steps
        picture = room.parts[1].value
        await asyncio.sleep(0.2)
        assert runs[1].steps == steps < runs[1].total_steps and runs[1].train_losses
        assert room.message.value == "stopped" and room.stop_button.disabled
        assert room.parts[1].value == picture and len(runs) == 2
        assert re.fullmatch(r"step \d+ of \d+; training .* of about \d+ s", room.parts[0].value)
        assert plt.get_fignums() == []

    asyncio.run(drive())


def test_an_error_is_shown_and_the_room_goes_on(tokenizer):
    async def drive() -> None:
        runs: list[Run] = []
        room = make_room(tokenizer, runs)
        room.controls["train_ratio"].value = 0.3
        room.controls["batch_size"].value = 16
        room.run_button.click()
        while not room.stop_button.disabled:
            await asyncio.sleep(0.01)
        assert "too few for a batch of 16" in room.message.value and room.stop_button.disabled
        room.controls["batch_size"].value = 8
        room.run_button.click()
        while not room.stop_button.disabled:
            await asyncio.sleep(0.01)
        assert room.message.value == "done" and runs[-1].steps == runs[-1].total_steps > 0

    asyncio.run(drive())


def test_without_a_kernel_there_is_a_picture(tokenizer):
    bundle = make_room(tokenizer, [])._repr_mimebundle_()
    assert len(bundle["image/png"]) > 1000 and "step " in bundle["text/html"]
    assert plt.get_fignums() == []
