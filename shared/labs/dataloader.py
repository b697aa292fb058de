"""The lab of 01_data/03_dataloader: where windows lie, and what is never read."""

from shared.dataloader import GPTDataset
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.plots import ORANGE, PALE, token_boxes
from shared.labs.tokenization import readable

NEVER = PALE[3]
COLOURS = ("#ffffff", "#a8d0e8", "#4a98c8", ORANGE, "#bbbbbb")  # by the kinds of window_grid
LEGEND = ("input", "input, next batch", "last target", "dropped")
MOST_CHARACTERS = 2_000  # enough for 40 tokens of any language


def window_lab(
    length: int, context: int, stride: int, batch_size: int, drop_last: bool, corpus: str = "story"
) -> str:
    """Windows over a text's first tokens: their batches, what overlaps, what is never seen; which
    of the three tasks are done.
    """
    tokenizer = get_tokenizer()
    ids = tokenizer.encode(load_corpus(corpus)[:MOST_CHARACTERS])[:length]
    windows = len(GPTDataset(ids, context, stride))  # raises ValueError if none fits
    batches = windows // batch_size if drop_last else -(-windows // batch_size)
    used = min(windows, batches * batch_size)
    grid, times = window_grid(length, context, stride, batch_size, windows, used)
    tokens = [readable(tokenizer.decode_single_token_bytes(i)) for i in ids]
    notes = [f"{n}\u00d7" if n else "never" for n in times]
    boxes = token_boxes(tokens, [PALE[0] if n else NEVER for n in times], notes)
    dropped = f", windows dropped: {windows - used}" if used < windows else ""
    text = (
        f"<p>windows: ({length} &minus; {context} &minus; 1) // {stride} + 1 = <b>{windows}</b>; "
        f"batches of {batch_size}: <b>{batches}</b>{dropped}; "
        f"overlap of neighbours: {max(0, context - stride)} tokens; "
        f"<b>never an input: {times.count(0)}</b> of {length} tokens</p>{boxes}"
    )
    whole = drop_last and used == windows and batch_size > 1
    done = [has_gap(times), whole, is_thrice(times, context, stride, used)]
    names = ("a gap in the middle", "no window lost", "inner tokens three times")
    said = [
        f"({i}) {name}: <b>{'found' if found else 'not yet'}</b>"
        for i, (name, found) in enumerate(zip(names, done), 1)
    ]
    return f"{text}<p>{' &nbsp; '.join(said)}</p>{window_table(grid)}"


def has_gap(times: list[int]) -> bool:
    """Whether a token that is never an input stands between two that are."""
    seen = [token for token, n in enumerate(times) if n]
    return bool(seen) and seen[-1] - seen[0] + 1 > len(seen)


def is_thrice(times: list[int], context: int, stride: int, used: int) -> bool:
    """Whether each token that is in reach of as many windows as can be is an input three times."""
    inner = times[context - 1 : (used - 1) * stride + 1]
    return len(inner) > stride and set(inner) == {3}


def window_grid(
    length: int, context: int, stride: int, batch_size: int, windows: int, used: int
) -> tuple[list[list[int]], list[int]]:
    """Rows of windows over columns of tokens; and how often each token is an input.

    0 is a token that is not read, 1 and 2 alternate from batch to batch, 3 is the last target,
    4 a window that drop_last leaves out.
    """
    grid = [[0] * length for _ in range(windows)]
    times = [0] * length
    for w in range(windows):
        kind = 1 + w // batch_size % 2 if w < used else 4
        for t in range(w * stride, w * stride + context):
            grid[w][t] = kind
            times[t] += w < used
        grid[w][w * stride + context] = 3
    return grid, times


def window_table(grid: list[list[int]]) -> str:
    """The grid of `window_grid` as an HTML table in colours, one row a window."""
    cell = "width:15px;min-width:15px;height:11px;padding:0;border:1px solid #d8d8d8"
    label = "padding:0 6px 0 0;font-size:11px;text-align:right;white-space:nowrap"
    rows = []
    for w, row in enumerate(grid):
        cells = "".join(f'<td style="background:{COLOURS[kind]};{cell}"></td>' for kind in row)
        rows.append(f'<tr><td style="{label}">window {w}</td>{cells}</tr>')
    legend = " &nbsp; ".join(
        f'<span style="background:{colour};color:#000;padding:0 4px">{name}</span>'
        for colour, name in zip(COLOURS[1:], LEGEND)
    )
    style = "border-collapse:collapse;margin:6px 0;width:auto"
    return f'<table style="{style}">{"".join(rows)}</table><p>{legend}</p>'
