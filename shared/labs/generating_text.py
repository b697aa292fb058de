"""The lab of 03_gpt/04_generating_text: which tokens each step reads, and which the cache holds."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from shared.kit.plots import BLACK, ORANGE, SKY

NEW = "white"


def steps_without_cache(prompt: int, steps: int, context: int) -> list[tuple[range, range]]:
    """(tokens read, tokens taken from the cache) for each step, as places in the text."""
    rows = []
    for length in range(prompt, prompt + steps):
        rows.append((range(max(0, length - context), length), range(0)))
    return rows


def steps_with_cache(prompt: int, steps: int, context: int) -> list[tuple[range, range]]:
    """The same with a cache that is thrown away at the context's end, as in stream_tokens."""
    rows = []
    for length in range(prompt, prompt + steps):
        first = length == prompt
        if first or length > context:
            rows.append((range(max(0, length - context), length), range(0)))
        else:
            rows.append((range(length - 1, length), range(length - 1)))
    return rows


def draw_steps(pieces: Sequence[str], prompt: int, step: int, context: int) -> tuple[Figure, str]:
    """The first `step` steps that write a text's pieces after its prompt, without and with cache.

    Raises ValueError if the text has no token left for this step.
    """
    if prompt + step > len(pieces):
        raise ValueError(f"step {step} would write token {prompt + step} of {len(pieces)}")
    without = steps_without_cache(prompt, step, context)
    cached = steps_with_cache(prompt, step, context)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True)
    draw_rows(left, pieces, prompt, without, "without cache")
    draw_rows(right, pieces, prompt, cached, "with cache")
    left.set_ylabel("step")
    names = (("read in this step", ORANGE), ("taken from the cache", SKY), ("written", NEW))
    marks = [Patch(facecolor=colour, edgecolor=BLACK, label=name) for name, colour in names]
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.legend(handles=marks, ncols=3, loc="lower center", frameon=False)
    told = tell_step(pieces[prompt + step - 1], step, without, cached)
    if prompt + step == len(pieces) and len(cached[-1][0]) == 1:
        told += "<p>The cache saved something at every step after the first.</p>"
        if context == prompt + step - 1:
            told += "<p><b>This is the shortest context with which it does.</b></p>"
    return figure, told


def draw_rows(
    ax: Axes, pieces: Sequence[str], prompt: int, rows: list[tuple[range, range]], name: str
) -> None:
    """One row of boxes a step, one column a token; the last step has thick borders."""
    for k, (read, kept) in enumerate(rows, start=1):
        width = 2.0 if k == len(rows) else 0.5
        places = ((read, ORANGE), (kept, SKY), ([prompt + k - 1], NEW))
        for tokens, colour in places:
            for i in tokens:
                box = Rectangle(
                    (i - 0.45, k - 0.42), 0.9, 0.84, facecolor=colour, edgecolor=BLACK, lw=width
                )
                ax.add_patch(box)
    labels = [repr(piece)[1:-1] for piece in pieces]
    ax.set_xticks(range(len(pieces)), labels, rotation=60, ha="right", rotation_mode="anchor")
    steps = len(pieces) - prompt
    ax.set_yticks(range(1, steps + 1))
    ax.set(xlim=(-0.6, len(pieces) - 0.4), ylim=(steps + 0.6, 0.4), xlabel="token")
    total = sum(len(read) for read, _ in rows)
    ax.set_title(f"{name}: {total} tokens read so far")


def tell_step(
    piece: str, step: int, without: list[tuple[range, range]], cached: list[tuple[range, range]]
) -> str:
    """What the last step read, in a sentence; and whether the cache still saves anything."""
    plain_read = len(without[-1][0])
    read, kept = cached[-1]
    told = (
        f"Step {step} writes {piece!r}. Without a cache it reads {plain_read} "
        f"{plural(plain_read)}; with one it reads {len(read)} and takes {len(kept)} from the cache."
    )
    if step > 1 and len(read) == plain_read > 1:
        told += " Here the cache saves nothing: the text is longer than the context."
        if step == 2 or len(cached[-2][0]) < len(without[-2][0]):
            told += " <b>This is the first such step.</b>"
    return f"<p>{told}</p>"


def plural(number: int) -> str:
    """The word after a number of tokens."""
    return "token" if number == 1 else "tokens"
