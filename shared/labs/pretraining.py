"""The pictures behind the labs of chapter 4, and the training room."""

import base64
import html
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import ipywidgets as W
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from shared.dataloader import create_dataloader, split_text
from shared.generation import generate, greedy, next_token_probs, stream_tokens, text_to_token_ids
from shared.gpt import GPTConfig, GPTModel
from shared.kit.plots import BLACK, BLUE, GREEN, ORANGE, PALE, PINK, RED, SKY
from shared.kit.widgets import Lab, align, choice, log_slider, png_bytes, slider
from shared.memorization import copied_run_lengths, copied_share
from shared.training import calc_loss_batch, evaluate_model

WORDS = ["rock", "sea", "ship"]  # the three-word vocabulary of the chapter's first examples


def draw_loss(rock: float, sea: float, ship: float, target: str) -> Figure:
    """One prediction among three words: its probabilities, its loss on the curve, its gradient."""
    probs = torch.tensor([rock, sea, ship]).softmax(-1)  # (V,)
    index = WORDS.index(target)
    gradient = probs - torch.eye(3)[index]  # (V,)
    colours = [ORANGE if word == target else BLUE for word in WORDS]
    loss = -math.log(max(probs[index].item(), 1e-12))

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.5, 2.8))
    left.bar_label(left.bar(WORDS, probs.tolist(), color=colours), fmt="%.3f")
    left.set(ylim=(0, 1.1), ylabel="probability", title="what the model says")
    axis = torch.linspace(0.0025, 1, 400)
    middle.plot(axis, -axis.log(), color=BLUE)
    middle.plot(probs[index].item(), loss, "o", color=ORANGE)
    middle.set(xlim=(-0.03, 1.03), ylim=(-0.3, max(6.2, loss * 1.1)), xlabel=f"probability of {target!r}",
               ylabel="loss (nats)", title=f"loss {loss:.3f}")
    right.bar_label(right.bar(WORDS, gradient.tolist(), color=colours), fmt="%+.3f")
    right.axhline(0, color="black", linewidth=0.8)
    right.set(ylim=(-1.2, 1.2), ylabel="gradient (nats a logit)", title="probability minus truth")
    figure.tight_layout()
    return figure


# ---- 02_training_loop: the training room


@dataclass(frozen=True)
class RunSettings:
    """What the controls of the training room say."""

    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    epochs: int = 10
    batch_size: int = 8
    drop_rate: float = 0.1
    layers: int = 2
    train_ratio: float = 0.9


@dataclass
class Run:
    """One training in the room, and all that the picture shows of it."""

    settings: RunSettings
    total_steps: int = 0
    steps: int = 0
    tokens_seen: int = 0
    seconds: float = 0.0
    track_tokens_seen: list[int] = field(default_factory=list)
    train_losses: list[float] = field(default_factory=list)
    val_losses: list[float] = field(default_factory=list)
    sample: str = ""
    ending: str = ""  # "finished", "stopped", "diverged ..." once it is over

    def status(self) -> str:
        """One line on speed, remaining time and losses."""
        speed = self.tokens_seen / self.seconds if self.seconds else 0.0
        left = self.seconds / self.steps * (self.total_steps - self.steps) if self.steps else 0.0
        end = self.ending or f"{left:.0f} s left"
        parts = [f"step {self.steps} of {self.total_steps}", f"{speed:,.0f} tokens/s", f"{self.seconds:.0f} s", end]
        if self.val_losses:
            parts.insert(1, f"training {self.train_losses[-1]:.2f}, validation {self.val_losses[-1]:.2f}")
        return "; ".join(parts)


def train_run(run: Run, text: str, tokenizer: Any, start_context: str, stop: threading.Event,
              report: Callable[[Run], None], context_length: int = 64, emb_dim: int = 64) -> None:
    """Train a small GPT as the run's settings say; note everything in the run and report after each step."""
    chosen = run.settings
    train_text, val_text = split_text(text, chosen.train_ratio)
    torch.manual_seed(123)
    train_loader = create_dataloader(tokenizer.encode(train_text), chosen.batch_size, context_length, context_length)
    val_loader = create_dataloader(tokenizer.encode(val_text), 4, context_length, context_length, shuffle=False)
    model = GPTModel(GPTConfig(tokenizer.n_vocab, context_length, emb_dim, 4, chosen.layers, chosen.drop_rate))
    optimizer = torch.optim.AdamW(model.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay,
                                  fused=True)
    prompt = text_to_token_ids(start_context, tokenizer)  # (1, T)
    run.total_steps = chosen.epochs * len(train_loader)
    eval_freq, began = max(1, run.total_steps // 25), time.perf_counter()
    for _ in range(chosen.epochs):
        for inputs, targets in train_loader:
            if stop.is_set():
                run.ending = "stopped"
                return
            optimizer.zero_grad()
            loss = calc_loss_batch(inputs, targets, model, "cpu")
            if not loss.isfinite():
                run.ending = f"diverged: the loss is {loss.item()}"
                return
            loss.backward()
            optimizer.step()
            run.steps += 1
            run.tokens_seen += inputs.numel()
            if (run.steps - 1) % eval_freq == 0 or run.steps == run.total_steps:
                train_loss, val_loss = evaluate_model(model, train_loader, val_loader, "cpu", eval_iter=2)
                run.train_losses.append(train_loss)
                run.val_losses.append(val_loss)
                run.track_tokens_seen.append(run.tokens_seen)
                model.eval()
                run.sample = tokenizer.decode(generate(model, prompt, 30, context_length)[0].tolist())
                model.train()
            run.seconds = time.perf_counter() - began
            report(run)
    run.ending = "finished"


def run_label(number: int, run: Run, first: Run) -> str:
    """The run's number and the settings in which it differs from the first run."""
    names = [f.name for f in fields(RunSettings)]
    pairs = [(name, getattr(run.settings, name)) for name in names]
    other = [(n, v) for n, v in pairs if run is first and n == "learning_rate" or v != getattr(first.settings, n)]
    return f"run {number}: " + (", ".join(f"{n.replace('_', ' ')} {v:.3g}" for n, v in other) or "as run 1")


def draw_runs(runs: Sequence[Run], vocab_size: int, top: float = 12.0) -> Figure:
    """Training loss (solid) and validation loss (dashed) of all runs over the tokens seen; none drawn above top."""
    figure = Figure(figsize=(8, 3.6))  # not pyplot: it must not be used from a second thread
    ax = figure.subplots()
    colours = (BLUE, ORANGE, GREEN, PINK, SKY, RED)
    for i, run in enumerate(runs):
        colour, last = colours[i % len(colours)], i == len(runs) - 1
        style = {"color": colour, "alpha": 1.0 if last else 0.6, "linewidth": 2 if last else 1}
        seen, label = list(run.track_tokens_seen), run_label(i + 1, run, runs[0])
        ax.plot(seen, [min(loss, top) for loss in run.train_losses[: len(seen)]], label=label, **style)
        ax.plot(seen, [min(loss, top) for loss in run.val_losses[: len(seen)]], linestyle="--", **style)
    ax.axhline(math.log(vocab_size), color=BLACK, linewidth=0.8, linestyle=":", label="blind guess, ln V")
    highest = max((loss for run in runs for loss in run.train_losses + run.val_losses), default=0)
    diverged = f"; losses above {top:g} are drawn at {top:g}" if highest > top else ""
    ax.set(xlabel="tokens seen", ylabel="loss (nats a token)", ylim=(0, min(1.1 * max(highest, 7.5), top + 0.2)),
           title=f"training (solid) and validation (dashed){diverged}")
    ax.legend(fontsize=8, loc="upper right")
    figure.tight_layout()
    return figure


class TrainingRoom:
    """Controls, Train and Stop buttons, and the curves of all runs; the training runs in a thread of its own."""

    def __init__(self, text: str, tokenizer: Any, start_context: str = "I was for eleven years") -> None:
        self.text, self.tokenizer, self.start_context = text, tokenizer, start_context
        self.runs: list[Run] = []
        self.stopping, self.thread, self.drawn = threading.Event(), threading.Thread(), 0.0
        start = RunSettings()
        self.controls = {
            "learning_rate": log_slider("learning rate", start.learning_rate, -5, 0),
            "weight_decay": slider("weight decay", start.weight_decay, 0.0, 1.0, 0.05),
            "epochs": slider("epochs", start.epochs, 1, 40),
            "batch_size": choice("batch size (windows)", [1, 2, 4, 8, 16], start.batch_size),
            "drop_rate": slider("dropout (share)", start.drop_rate, 0.0, 0.6, 0.05),
            "layers": slider("layers", start.layers, 1, 6),
            "train_ratio": slider("training share of the text", start.train_ratio, 0.3, 0.9, 0.05),
        }
        self.train_button = W.Button(description="Train", button_style="primary", icon="play")
        self.stop_button = W.Button(description="Stop", disabled=True, icon="stop")
        self.train_button.on_click(lambda _: self.train())
        self.stop_button.on_click(lambda _: self.stop())
        align(self.controls)
        for control in self.controls.values():
            control.observe(lambda change: self.show_plan(), names="value")
        self.plan, self.status, self.sample = W.HTML(), W.HTML("no run yet"), W.HTML()
        self.show_plan()
        self.picture = Lab.show_part(draw_runs([], tokenizer.n_vocab))
        buttons = W.HBox([self.train_button, self.stop_button])
        parts = [self.plan, buttons, self.status, self.picture, self.sample]
        self.box = W.VBox([*self.controls.values(), *parts])

    def settings(self) -> RunSettings:
        """What the controls say now."""
        return RunSettings(**{name: control.value for name, control in self.controls.items()})

    def show_plan(self) -> None:
        """Say what Train would do now."""
        chosen = self.settings()
        tokens = len(self.tokenizer.encode(split_text(self.text, chosen.train_ratio)[0]))
        said = ", ".join(f"{f.name.replace('_', ' ')} {getattr(chosen, f.name):.3g}" for f in fields(RunSettings))
        self.plan.value = f"<i>next run: {said}; {chosen.epochs * tokens:,} tokens to see</i>"

    def train(self) -> None:
        """Start a run with the controls' values; nothing happens while one is running."""
        if self.thread.is_alive():
            return
        self.stopping.clear()
        self.runs.append(Run(self.settings()))
        self.train_button.disabled, self.stop_button.disabled = True, False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End the run after the step at hand; its curve stays."""
        self.stopping.set()

    def wait(self, seconds: float | None = None) -> Run | None:
        """Wait until the run at hand, if any, has ended, at most that long; return the last run."""
        if self.thread.is_alive():
            self.thread.join(seconds)
        return self.runs[-1] if self.runs else None

    def work(self) -> None:
        """The thread: train, and show it. An error is shown, too."""
        run = self.runs[-1]
        try:
            train_run(run, self.text, self.tokenizer, self.start_context, self.stopping, self.show)
        except Exception as error:
            run.ending = f"{type(error).__name__}: {error}"
        self.drawn = 0.0
        self.show(run)
        self.train_button.disabled, self.stop_button.disabled = False, True

    def show(self, run: Run) -> None:
        """Bring status, sample and curves up to date, at most twice a second."""
        now = time.perf_counter()
        if now - self.drawn < 0.5:
            return
        self.status.value = html.escape(run.status())
        self.sample.value = f"<b>sample:</b> {html.escape(run.sample)}"
        self.picture.value = png_bytes(draw_runs(self.runs, self.tokenizer.n_vocab))
        self.drawn = time.perf_counter()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        picture = base64.b64encode(self.picture.value).decode()
        return {**self.box._repr_mimebundle_(), "text/plain": "<TrainingRoom>", "image/png": picture}


# ---- 04_decoding


def draw_samples(model: nn.Module, idx: Tensor, max_new_tokens: int, seeds: Sequence[int], temperature: float,
                 top_k: int | None, top_p: float | None) -> Tensor:
    """One continuation a seed of a prompt (1, T), drawn together: (len(seeds), max_new_tokens)."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw(logits: Tensor) -> Tensor:
        probs = next_token_probs(logits, temperature, top_k, top_p)  # (B, V)
        return torch.cat([torch.multinomial(p[None], 1, generator=g) for p, g in zip(probs, generators)])  # (B, 1)

    choose = greedy if temperature == 0 else draw
    context_size = model.pos_emb.num_embeddings
    rows = idx.repeat(len(seeds), 1)  # (B, T)
    return torch.cat(list(stream_tokens(model, rows, max_new_tokens, context_size, choose)), dim=1)


def draw_decoding(model: nn.Module, tokenizer: Any, training_ids: Sequence[int], prompt: str, temperature: float,
                  top_k: int, top_p: float, seed: int) -> tuple[Figure, str]:
    """The next token's probabilities as bars, and three samples with what they copied; top_k 0 and top_p 1 mean off."""
    idx = text_to_token_ids(prompt, tokenizer)  # (1, T)
    if idx.numel() == 0:
        raise ValueError("the prompt is empty: type at least one character")
    context_size, k, p = model.pos_emb.num_embeddings, top_k or None, top_p if top_p < 1 else None
    with torch.no_grad():
        logits = model(idx[:, -context_size:])[:, -1]  # (1, V)
    plain = logits.softmax(-1)[0]  # (V,)
    if temperature == 0:
        probs = nn.functional.one_hot(plain.argmax(), len(plain)).float()  # (V,)
    else:
        probs = next_token_probs(logits, temperature, k, p)[0]  # (V,)
    seeds = [seed, seed + 1, seed + 2]
    samples = draw_samples(model, idx, 28, seeds, temperature, k, p)
    return draw_next_token(plain, probs, tokenizer), show_samples(samples, seeds, tokenizer, training_ids)


def draw_next_token(plain: Tensor, probs: Tensor, tokenizer: Any, shown: int = 14) -> Figure:
    """The model's favourites before and after temperature and cuts, both (V,)."""
    top = plain.topk(shown).indices.tolist()
    names = [repr(tokenizer.decode([token]))[1:-1] for token in top]
    figure, ax = plt.subplots(figsize=(9, 2.6))
    ax.bar(range(shown), probs[top].tolist(), color=BLUE, label="used for drawing")
    ax.bar(range(shown), plain[top].tolist(), fill=False, edgecolor=BLACK, label="the model's own (temperature 1)")
    ax.set_xticks(range(shown), names, rotation=40, family="monospace")
    entropy = -(probs * probs.clamp_min(1e-12).log2()).sum()
    ax.set(ylabel="probability", ylim=(0, 1), title=f"next token: {int((probs > 0).sum())} possible, "
                                                    f"entropy {abs(entropy.item()):.2f} bits")
    ax.legend()
    return figure


def show_samples(samples: Tensor, seeds: Sequence[int], tokenizer: Any, training_ids: Sequence[int]) -> str:
    """Samples (B, S) side by side in HTML, what is copied from the training text coloured."""
    columns = []
    for row, seed in zip(samples.tolist(), seeds):
        lengths = copied_run_lengths(row, training_ids).tolist()
        copied = [any(lengths[j] >= max(8, i - j + 1) for j in range(i + 1)) for i in range(len(row))]
        marked = f'<span style="background:{PALE[3]};color:#000">{{}}</span>'
        pieces = [html.escape(tokenizer.decode([token])) for token in row]
        text = "".join(marked.format(piece) if c else piece for piece, c in zip(pieces, copied))
        meter = f"longest copied run {max(lengths)} tokens, {copied_share(row, training_ids):.0%} in runs of 8 or more"
        columns.append(f'<div style="flex:1;min-width:200px;line-height:1.4"><b>seed {seed}</b><br>{text}<br>'
                       f"<i>{meter}</i></div>")
    return f'<div style="display:flex;gap:16px">{"".join(columns)}</div>'
