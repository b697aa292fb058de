"""What breaks if: a tiny GPT is trained without one of its parts (04_pretraining/02)."""

import html
import math
from collections.abc import Callable, Iterator

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from shared.characters import character_ids, character_loss, write_characters
from shared.gpt import GPTConfig, GPTModel, TransformerBlock
from shared.kit.plots import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, YELLOW
from shared.schedules import learning_rate_at

CONTEXT = 32
BATCH = 16
STEPS = 300
WARMUP_STEPS = 30
TOP = 4.6  # of the picture, in nats a character: a run above is drawn at its edge
SHOWN_EVERY = 20  # steps, one point of a curve each: their mean training loss
PEAK = 0.01
HIGH_PEAK = 0.1


class BareBlock(TransformerBlock):
    """A Transformer block that hands on only what its two parts return: (B, T, D) -> (B, T, D)."""

    def forward(self, x: Tensor, cache: object = None) -> Tensor:
        x = self.att(self.norm1(x), cache)  # (B, T, D)
        return self.ff(self.norm2(x))  # (B, T, D)


def drop_scaling(model: GPTModel) -> None:
    """Undo the division of the scores by the root of the head width: queries times that root."""
    for block in model.trf_blocks:
        root = (model.cfg.emb_dim // model.cfg.n_heads) ** 0.5
        block.att.W_query.register_forward_hook(lambda layer, given, q, root=root: q * root)


def drop_shortcuts(model: GPTModel) -> None:
    """Let each block hand on only what attention and feed-forward return."""
    for block in model.trf_blocks:
        block.__class__ = BareBlock


def drop_norms(model: GPTModel) -> None:
    """Let vectors pass every layer norm unchanged."""
    for block in model.trf_blocks:
        block.norm1 = nn.Identity()
        block.norm2 = nn.Identity()
    model.final_norm = nn.Identity()


def drop_positions(model: GPTModel) -> None:
    """Add nothing for the place of a token, and learn nothing for it."""
    nn.init.zeros_(model.pos_emb.weight)
    model.pos_emb.weight.requires_grad_(False)


INTACT = "nothing is missing"
# what is missing -> its colour, a change of the model, changed numbers of the training
SWITCHES: dict[str, tuple[str, Callable[[GPTModel], None] | None, dict[str, float]]] = {
    INTACT: (BLACK, None, {}),
    "no scaling of scores": (SKY, drop_scaling, {}),
    "no shortcuts": (RED, drop_shortcuts, {}),
    "no layer norms": (ORANGE, drop_norms, {}),
    "no positions": (GREEN, drop_positions, {}),
    "no warm-up": (PINK, None, {"warmup_steps": 0}),
    "no weight decay": (YELLOW, None, {"weight_decay": 0.0}),
    "ten times the rate": (BLUE, None, {"peak": HIGH_PEAK}),
    "ten times the rate, no norms": ("#777777", drop_norms, {"peak": HIGH_PEAK}),
}


class Trial:
    """A training of a tiny GPT on the characters of a text, which can be left and come back to."""

    def __init__(self, text: str, missing: str = INTACT, seed: int = 123) -> None:
        _, change, numbers = SWITCHES[missing]
        self.missing = missing
        self.alphabet = "".join(sorted(set(text)))
        ids = character_ids(text, self.alphabet)
        self.train_ids, self.val_ids = ids.tensor_split([int(0.9 * len(ids))])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = GPTModel(GPTConfig(len(self.alphabet), CONTEXT, 64, 4, 4, drop_rate=0.0))
        if change:
            change(self.model)
        self.peak = numbers.get("peak", PEAK)
        self.warmup_steps = int(numbers.get("warmup_steps", WARMUP_STEPS))
        decay = numbers.get("weight_decay", 0.1)
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(weights, lr=self.peak, weight_decay=decay)
        self.generator = torch.Generator().manual_seed(seed)
        self.losses: list[float] = []  # nats a character, one a step
        self.outcome: tuple[float, str] | None = None

    @property
    def done(self) -> bool:
        """Whether all steps are made."""
        return len(self.losses) == STEPS

    def step(self) -> None:
        """One step on a batch of random windows."""
        rate = learning_rate_at(len(self.losses), STEPS, self.warmup_steps, self.peak)
        self.optimizer.param_groups[0]["lr"] = rate
        starts = torch.randint(len(self.train_ids) - CONTEXT, (BATCH,), generator=self.generator)
        windows = torch.stack([self.train_ids[i : i + CONTEXT + 1] for i in starts])  # (B, T + 1)
        logits = self.model(windows[:, :-1])  # (B, T, V)
        loss = F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())

    def validation(self) -> tuple[float, str]:
        """At the end: loss on the last tenth, in nats a character, and what the model writes."""
        if self.outcome is None:
            loss = character_loss(self.model, self.val_ids, CONTEXT)
            sample = "(nothing: its weights are no numbers any more)"
            if math.isfinite(loss):
                sample = write_characters(self.model, self.alphabet, "\n", 120, CONTEXT)
            self.outcome = loss, sample
        return self.outcome


class Trials:
    """The trainings that were made so far: each is made once, and one left half-way goes on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.made: dict[str, Trial] = {}

    def get(self, missing: str) -> Trial:
        """The trial without one part, new if there is none."""
        if missing not in self.made:
            self.made[missing] = Trial(self.text, missing)
        return self.made[missing]

    def finish(self, missing: str) -> float:
        """Train to the end, if need be; the loss on the last tenth of the text."""
        trial = self.get(missing)
        while not trial.done:
            trial.step()
        return trial.validation()[0]


def curve(losses: list[float]) -> tuple[list[int], list[float]]:
    """Mean losses of each `SHOWN_EVERY` steps, and where to draw them."""
    ends = range(SHOWN_EVERY, len(losses) + 1, SHOWN_EVERY)
    return list(ends), [sum(losses[end - SHOWN_EVERY : end]) / SHOWN_EVERY for end in ends]


def draw_trials(trials: Trials, chosen: str) -> Figure:
    """All curves made so far, the chosen one and the intact one strong."""
    figure, ax = plt.subplots(figsize=(7, 3.4))
    for missing, trial in trials.made.items():
        wide, alpha = (2.5, 1) if missing in (chosen, INTACT) else (1, 0.6)
        steps, losses = curve(trial.losses)
        shown = [loss if loss < TOP else TOP for loss in losses]  # NaN stands at the top, too
        lost = [step for step, height in zip(steps, shown) if height == TOP]
        label = f"{missing} (off the scale)" if lost else missing
        look = {"color": SWITCHES[missing][0], "alpha": alpha}
        ax.plot(steps, shown, label=label, linewidth=wide, **look)
        ax.plot(lost, [TOP] * len(lost), "^", clip_on=False, **look)
    ax.set(xlim=(0, STEPS), xlabel="step", ylabel="training loss (nats a character)")
    ax.set_ylim(1.4, TOP)
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def describe(trials: Trials, chosen: str) -> str:
    """What is at work or came out, and a table of the trials that are done, best first."""
    trial = trials.get(chosen)
    head = f"training: step {len(trial.losses)} of {STEPS}; stopped, it goes on from there"
    if trial.done:
        sample = html.escape(trial.validation()[1].replace("\n", " "))
        head = f"done. It writes: <code>{sample}</code>"
    ends = {name: made.validation()[0] for name, made in trials.made.items() if made.done}
    rows = "<tr><th>what is missing</th><th>loss on the last tenth</th></tr>"
    for name, loss in sorted(ends.items(), key=lambda end: (math.isnan(end[1]), end[1])):
        rows += f"<tr><td>{html.escape(name)}</td><td>{loss:.2f}</td></tr>"
    left = ", ".join(name for name in SWITCHES if name not in ends)
    tail = f"not trained yet: {left}" if left else "all switches are tried"
    return f"<p><b>{chosen}</b>: {head}</p><table>{rows}</table><p>{tail}</p>"


def what_breaks(trials: Trials, missing: str) -> Iterator[tuple[Figure, str]]:
    """Train the tiny GPT without one part, or go on where it was left; yields every 20 steps."""
    trial = trials.get(missing)
    yield draw_trials(trials, missing), describe(trials, missing)
    while not trial.done:
        trial.step()
        if len(trial.losses) % SHOWN_EVERY == 0:
            yield draw_trials(trials, missing), describe(trials, missing)
