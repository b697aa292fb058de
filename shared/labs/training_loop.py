"""The lab of 04_pretraining/02_training_loop: the training room."""

import html
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader

from shared.dataloader import create_dataloader, split_text
from shared.generation import generate, text_to_token_ids
from shared.gpt import GPTConfig, GPTModel
from shared.kit.plots import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY
from shared.training import calc_loss_batch, evaluate_model, finite_number

CONTEXT_LENGTH = 64
EMB_DIM = 64
HEADS = 4
EVALUATIONS = 25  # about so many in a run
START_CONTEXT = "I was for eleven years"
TOP_LOSS = 12.0  # no loss is drawn above it
SECONDS_A_PICTURE = 0.5  # drawing takes longer than a step


@dataclass(frozen=True)
class RunSettings:
    """What the controls of the training room say."""

    learning_rate: float
    weight_decay: float
    epochs: int
    batch_size: int  # windows
    drop_rate: float
    layers: int
    train_ratio: float  # share of the text that is trained on


@dataclass
class Run:
    """One training in the room, and all that the picture shows of it."""

    settings: RunSettings
    total_steps: int
    steps: int = 0
    tokens_seen: int = 0
    seconds: float = 0.0
    track_tokens_seen: list[int] = field(default_factory=list)
    train_losses: list[float] = field(default_factory=list)
    val_losses: list[float] = field(default_factory=list)
    sample: str = ""


def train_in_room(
    text: str, tokenizer: Any, runs: list[Run], **settings: float
) -> Iterator[tuple[str, Figure | None, str]]:
    """Train a small GPT as RunSettings(**settings) say; append the run to `runs`.

    Yields after each step how far the run is, now and then the curves of all `runs`, and a sample.
    Raises ValueError if the text is too short, FloatingPointError if a loss is not finite.
    """
    chosen = RunSettings(**settings)
    torch.manual_seed(123)
    train_loader, val_loader = room_loaders(text, tokenizer, chosen)
    cfg = GPTConfig(
        tokenizer.n_vocab, CONTEXT_LENGTH, EMB_DIM, HEADS, chosen.layers, chosen.drop_rate
    )
    run = Run(chosen, total_steps=chosen.epochs * len(train_loader))
    runs.append(run)
    drawn = -math.inf
    for _ in train_run(run, GPTModel(cfg), train_loader, val_loader, tokenizer):
        figure = None
        last = run.steps == run.total_steps
        if last or time.perf_counter() - drawn > SECONDS_A_PICTURE:
            figure = draw_runs(runs, tokenizer.n_vocab)
            drawn = time.perf_counter()
        yield status(run), figure, f"<b>sample:</b> {html.escape(run.sample)}"


def room_loaders(text: str, tokenizer: Any, chosen: RunSettings) -> tuple[DataLoader, DataLoader]:
    """Batches of the training share of the text, shuffled, and of the rest, in order.

    Raises ValueError if one of them is too short for a batch.
    """
    train_text, val_text = split_text(text, chosen.train_ratio)
    train_ids = tokenizer.encode(train_text)
    val_ids = tokenizer.encode(val_text)
    train_loader = create_dataloader(train_ids, chosen.batch_size, CONTEXT_LENGTH, CONTEXT_LENGTH)
    val_loader = create_dataloader(val_ids, 4, CONTEXT_LENGTH, CONTEXT_LENGTH, shuffle=False)
    for name, loader in (("training", train_loader), ("validation", val_loader)):
        if not len(loader):
            raise ValueError(
                f"the {name} share of the text has {len(loader.dataset)} windows, too few for a "
                f"batch of {loader.batch_size}: change the batch size or the training share"
            )
    return train_loader, val_loader


def train_run(
    run: Run, model: nn.Module, train_loader: DataLoader, val_loader: DataLoader, tokenizer: Any
) -> Iterator[None]:
    """Train as the run's settings say; note everything in the run, and yield after each step."""
    chosen = run.settings
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay, fused=True
    )
    eval_freq = max(1, run.total_steps // EVALUATIONS)
    began = time.perf_counter()
    for _ in range(chosen.epochs):
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            loss = calc_loss_batch(inputs, targets, model, "cpu")
            finite_number(loss, run.steps + 1)
            loss.backward()
            optimizer.step()
            run.steps += 1
            run.tokens_seen += inputs.numel()
            if (run.steps - 1) % eval_freq == 0 or run.steps == run.total_steps:
                losses = evaluate_model(model, train_loader, val_loader, "cpu", eval_iter=2)
                run.train_losses.append(losses[0])
                run.val_losses.append(losses[1])
                run.track_tokens_seen.append(run.tokens_seen)
                run.sample = write_sample(model, tokenizer)
            run.seconds = time.perf_counter() - began
            yield


def write_sample(model: nn.Module, tokenizer: Any) -> str:
    """What the model writes, greedily, after START_CONTEXT."""
    model.eval()
    idx = text_to_token_ids(START_CONTEXT, tokenizer)  # (1, T)
    ids = generate(model, idx, 30, CONTEXT_LENGTH)[0].tolist()
    model.train()
    return tokenizer.decode(ids)


def status(run: Run) -> str:
    """How far a run is, its losses, speed and time, on one line."""
    whole = run.seconds / run.steps * run.total_steps
    return "; ".join(
        (
            f"step {run.steps} of {run.total_steps}",
            f"training {run.train_losses[-1]:.2f}, validation {run.val_losses[-1]:.2f}",
            f"{run.tokens_seen / run.seconds:,.0f} tokens/s",
            f"{run.seconds:.0f} of about {whole:.0f} s",
        )
    )


def run_label(number: int, run: Run, first: Run) -> str:
    """The run's number and the settings in which it differs from the first run."""
    settings = asdict(run.settings)
    if run is first:
        shown = {"learning_rate": settings["learning_rate"]}
    else:
        shown = {k: v for k, v in settings.items() if v != getattr(first.settings, k)}
    said = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in shown.items())
    return f"run {number}: {said or 'as run 1'}"


def draw_runs(runs: Sequence[Run], vocab_size: int) -> Figure:
    """Training loss (solid) and validation loss (dashed) of all runs over the tokens seen."""
    figure, ax = plt.subplots(figsize=(8, 3.6))
    colours = (BLUE, ORANGE, GREEN, PINK, SKY, RED)
    for i, run in enumerate(runs):
        style = {"color": colours[i % len(colours)], "alpha": 0.6, "linewidth": 1}
        if run is runs[-1]:
            style.update(alpha=1.0, linewidth=2)
        train_losses = [min(loss, TOP_LOSS) for loss in run.train_losses]
        val_losses = [min(loss, TOP_LOSS) for loss in run.val_losses]
        label = run_label(i + 1, run, runs[0])
        ax.plot(run.track_tokens_seen, train_losses, label=label, **style)
        ax.plot(run.track_tokens_seen, val_losses, linestyle="--", **style)
    ax.axhline(
        math.log(vocab_size), color=BLACK, linewidth=0.8, linestyle=":", label="blind guess, ln V"
    )
    highest = max((loss for run in runs for loss in run.train_losses + run.val_losses), default=0)
    title = "training (solid) and validation (dashed)"
    if highest > TOP_LOSS:
        title += f"; losses above {TOP_LOSS:g} are drawn at {TOP_LOSS:g}"
    top = min(1.1 * max(highest, 7.5), TOP_LOSS + 0.2)
    ax.set(xlabel="tokens seen", ylabel="loss (nats a token)", ylim=(0, top), title=title)
    # below, since the label of a run may be as wide as the picture
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.14), frameon=False)
    return figure
