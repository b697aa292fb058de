"""Figures that more than one notebook draws: labelled axes, colours that colour-blind readers can
tell apart.
"""

import html
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito 2008
BLUE, ORANGE, GREEN, RED, SKY, YELLOW, PINK, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#F0E442",
    "#CC79A7",
    "#000000",
)
PALE = (
    "#cfe3f1",
    "#fbe6c0",
    "#c9ebde",
    "#f6d5c4",
    "#ddeefa",
    "#f9f5c6",
    "#f0dbe6",
)  # behind black text

BOX = (  # style of a token's box
    "display:inline-block;color:#000;border-radius:3px;padding:1px 4px;margin:2px;"
    "text-align:center;font-family:monospace"
)


def heatmap(
    values,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    title: str = "",
    x_label: str = "key (the token looked at)",
    y_label: str = "query (the token that looks)",
    numbers: bool | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A matrix, (rows, columns), as colours, with its numbers written in where they fit."""
    values = [[float(x) for x in row] for row in values]
    height, width = len(values), len(values[0])
    if ax is None:
        figure, ax = plt.subplots(figsize=(1.8 + 0.5 * width, 1.2 + 0.45 * height))
    image = ax.imshow(values, cmap="cividis", aspect="auto")
    ax.figure.colorbar(image, ax=ax)
    ax.set(title=title, xlabel=x_label, ylabel=y_label)
    ax.set_xticks(
        range(width),
        columns if columns is not None else range(width),
        rotation=45 if columns else 0,
    )
    ax.set_yticks(range(height), rows if rows is not None else range(height))
    if numbers or (numbers is None and max(height, width) <= 8):
        middle = (max(map(max, values)) + min(map(min, values))) / 2
        for i, row in enumerate(values):
            for j, x in enumerate(row):
                ax.text(
                    j,
                    i,
                    f"{x:.2f}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="black" if x > middle else "white",
                )
    return ax.figure


def plot_losses(epochs_seen, tokens_seen, train_losses, val_losses) -> Figure:
    """Training and validation loss over epochs, with the tokens seen on a second axis above."""
    figure, ax = plt.subplots(figsize=(6, 3.5))
    ax.plot(epochs_seen, train_losses, color=BLUE, label="training")
    ax.plot(epochs_seen, val_losses, color=RED, linestyle="--", label="validation")
    ax.set(xlabel="epochs", ylabel="loss (nats a token)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    above = ax.twiny()
    above.plot(tokens_seen, train_losses, alpha=0)  # only to line the second axis up with the first
    above.set_xlabel("tokens seen")
    figure.tight_layout()
    return figure


def token_boxes(
    tokens: Sequence[str], colours: Sequence[str] | None = None, notes: Sequence[str] | None = None
) -> str:
    """Tokens as coloured boxes in HTML, each with a note below; spaces and line breaks made
    visible.
    """
    boxes = []
    for i, token in enumerate(tokens):
        colour = colours[i] if colours is not None else PALE[i % len(PALE)]
        text = html.escape(token).replace(" ", "·").replace("\n", "↵")
        note = ""
        if notes is not None:
            note = f'<br><small style="color:#444">{html.escape(str(notes[i]))}</small>'
        boxes.append(f'<span style="background:{colour};{BOX}">{text}{note}</span>')
    return '<div style="line-height:1.6">' + "".join(boxes) + "</div>"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows of plain values below a head, as an HTML table; line breaks are kept."""

    def line(cells: Sequence[Any], tag: str) -> str:
        texts = [html.escape(str(cell)).replace("\n", "<br>") for cell in cells]
        style = "padding:2px 10px;text-align:left"
        return (
            "<tr>" + "".join(f'<{tag} style="{style}">{text}</{tag}>' for text in texts) + "</tr>"
        )

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"
