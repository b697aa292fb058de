"""The map of the course, as SVG: the way from text to the next token, and where a notebook stands
on it.

`draw` of shared.kit.course writes one map a notebook and shows it below the notebook's title.
"""

from collections.abc import Collection
from html import escape

# The places of the map that a notebook is about; the first is counted in "part 2 of 5".
PLACES = {
    "01_data/01_tokenization": ("text", "ids"),
    "01_data/02_byte_pair_encoding": ("ids",),
    "01_data/03_dataloader": ("ids",),
    "01_data/04_embeddings": ("vectors",),
    "01_data/05_tokenizer_for_strangers": ("ids",),
    "02_attention/01_averaging_the_past": ("attention",),
    "02_attention/02_queries_keys_values": ("attention",),
    "02_attention/03_causal_attention": ("attention",),
    "02_attention/04_multi_head": ("attention",),
    "02_attention/05_inside_the_heads": ("attention",),
    "03_gpt/01_transformer_block": ("block",),
    "03_gpt/02_gpt_model": ("GPT", "scores"),
    "03_gpt/03_counting_parameters": ("GPT",),
    "03_gpt/04_generating_text": ("next token",),
    "03_gpt/05_modern_blocks": ("block",),
    "04_pretraining/01_loss": ("loss",),
    "04_pretraining/02_training_loop": ("training",),
    "04_pretraining/03_pretraining_162m": ("training",),
    "04_pretraining/04_decoding": ("next token",),
    "04_pretraining/05_checkpoints": ("training",),
    "04_pretraining/06_gpt2_weights": ("GPT",),
    "04_pretraining/07_scaling_out": ("training",),
    "04_pretraining/08_scaling_laws": ("training",),
    "04_pretraining/09_open_a_real_model": ("GPT",),
    "04_pretraining/10_chat": ("next token",),
    "04_pretraining/11_inside_a_real_model": ("attention",),
    "05_instruction_finetuning/01_instruction_data": ("instructions",),
    "05_instruction_finetuning/02_batching": ("instructions",),
    "05_instruction_finetuning/03_dataloaders": ("instructions",),
    "05_instruction_finetuning/04_finetuning": ("finetuning",),
    "05_instruction_finetuning/05_lora": ("finetuning",),
    "05_instruction_finetuning/06_lora_with_peft": ("finetuning",),
    "05_instruction_finetuning/07_evaluation": ("answers",),
    "05_instruction_finetuning/08_finetune_a_real_model": ("finetuning",),
    "05_instruction_finetuning/09_preferences": ("answers",),
    "05_instruction_finetuning/10_rewards": ("answers",),
    "05_instruction_finetuning/11_take_it_away": ("finetuning",),
}
WIDTH, HEIGHT = 760, 158
# left, top, width, height; what stands inside of another place comes after it
BOXES = {
    "instructions": (318, 6, 104, 24),
    "finetuning": (450, 6, 98, 24),
    "answers": (576, 6, 84, 24),
    "text": (12, 56, 98, 48),
    "ids": (132, 56, 122, 48),
    "vectors": (276, 56, 70, 48),
    "GPT": (368, 52, 180, 56),
    "block": (414, 56, 130, 48),
    "attention": (418, 60, 78, 40),
    "scores": (570, 56, 66, 48),
    "next token": (658, 56, 90, 48),
    "training": (450, 128, 98, 24),
    "loss": (590, 128, 60, 24),
}
GAPS = {6: (33, "up"), 52: (33, "down"), 128: (109, "down")}  # of a row: its marker's top
AT_GPT = 540  # where the arrows of the upper and the lower row meet the GPT
EXAMPLES = {"text": "the bell rang", "ids": "1169 8966 28077", "next token": "twice"}
BARS = {"vectors": (9, 4, 12, 6, 10, 3), "scores": (3, 5, 2, 14, 4, 6)}  # heights
BLUE, PALE, PAPER, INK, GREY = "#0072B2", "#cfe3f1", "#fbfaf6", "#222", "#666"
BOLD = ' font-weight="600"'


def draw_map(name: str, notebooks: Collection[str]) -> str:
    """The map for the notebook of this short name, among all notebooks of the course."""
    here, part = places_of(name), part_of(name, notebooks)
    seen = {place for other in notebooks if other < name for place in places_of(other)}
    shapes = [f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="{PAPER}"/>', *way()]
    for place in BOXES:
        fill = BLUE if place in here else PALE if place in seen else "#fff"
        shapes += box(place, fill)
    shapes += here_marker(here[0], part)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
            ' font-family="system-ui, sans-serif" font-size="13" text-anchor="middle">',
            f"<title>Map of the course: {escape(' and '.join(here))}</title>",
            f"<desc>{escape(alt_text(name, notebooks))}</desc>",
            *shapes,
            "</svg>\n",
        ]
    )


def alt_text(name: str, notebooks: Collection[str]) -> str:
    """What the map of a notebook shows, in a sentence, and where the reader is."""
    place = " and ".join(places_of(name))
    return (
        "The course: text, ids, vectors, attention in GPT, scores, next token; training"
        f" leads back, instructions on top. You are here: {place}{part_of(name, notebooks)}."
    )


def places_of(name: str) -> tuple[str, ...]:
    """The places of a notebook. Raises ValueError for one that has none."""
    if name not in PLACES:
        raise ValueError(f"{name} has no place on the map: give it one in PLACES, in {__file__}")
    return PLACES[name]


def part_of(name: str, notebooks: Collection[str]) -> str:
    """ ", part 2 of 5" where five notebooks are about the same place, else nothing."""
    place = places_of(name)[0]
    same = sorted(other for other in notebooks if places_of(other)[0] == place)
    return f", part {same.index(name) + 1} of {len(same)}" if len(same) > 1 else ""


def words(x: float, y: float, text: str, ink: str = INK, more: str = "") -> str:
    """A line of text, its middle at x."""
    return f'<text x="{x:g}" y="{y:g}" fill="{ink}"{more}>{text}</text>'


def box(place: str, fill: str) -> list[str]:
    """A place with its name and, where there is room, an example."""
    left, top, width, height = BOXES[place]
    ink = "#fff" if fill == BLUE else INK
    middle = left + width / 2
    shapes = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="6" fill="{fill}"'
        f' stroke="{GREY}"/>'
    ]
    if place == "GPT":  # names of frames stand beside what they hold
        return [*shapes, words(left + 23, top + 33, place, ink, BOLD)]
    if place == "block":
        x = left + width - 24
        return [*shapes, words(x, top + 21, "in 12", ink), words(x, top + 37, "blocks", ink)]
    if height == 24:
        return [*shapes, words(middle, top + 17, place, ink)]
    shapes.append(words(middle, top + 18, place, ink, BOLD))
    if place == "attention":
        return shapes + glances(middle, top + 34, ink)
    if place in EXAMPLES:
        shapes.append(words(middle, top + 38, EXAMPLES[place], ink))
    for i, step in enumerate(BARS.get(place, ())):
        x, y = middle - 23 + 8 * i, top + 41 - step
        shapes.append(f'<rect x="{x:g}" y="{y:g}" width="6" height="{step}" fill="{ink}"/>')
    return shapes


def glances(x: float, y: float, ink: str) -> list[str]:
    """Four words in a row, the last of which looks back at the others."""
    places = [x - 24, x - 8, x + 8, x + 24]
    line = f'fill="none" stroke="{ink}" stroke-width="1.5"'
    arcs = [
        f'<path d="M{x + 24:g} {y}Q{(x + 24 + to) / 2:g} {y - 16 + 4 * i} {to:g} {y}" {line}/>'
        for i, to in enumerate(places[:-1])
    ]
    return arcs + [f'<circle cx="{to:g}" cy="{y}" r="3" fill="{ink}"/>' for to in places]


def way() -> list[str]:
    """The arrows between the places, and what the upper and the lower row are."""
    starts = ["text", "ids", "vectors", "GPT", "scores"]
    ends = ["ids", "vectors", "GPT", "scores", "next token"]
    paths = [f"M{BOXES[a][0] + BOXES[a][2]} 80H{BOXES[b][0]}" for a, b in zip(starts, ends)]
    # instructions to answers, and from the next token back to training
    paths += ["M422 18H450", "M548 18H576", "M703 104V140H650", "M590 140H548"]
    paths += [f"M{AT_GPT} 30V52", f"M{AT_GPT} 128V108"]
    left = ' text-anchor="start"'
    return [
        '<marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="7" markerHeight="7"'
        ' orient="auto" markerUnits="userSpaceOnUse">'
        f'<path d="M0 0L6 3L0 6z" fill="{GREY}"/></marker>',
        *(
            f'<path d="{path}" fill="none" stroke="{GREY}" stroke-width="1.5"'
            ' marker-end="url(#tip)"/>'
            for path in paths
        ),
        words(14, 23, "on top: it learns to follow instructions", GREY, left),
        words(14, 145, "the way back: it learns from its errors", GREY, left),
    ]


def here_marker(place: str, part: str) -> list[str]:
    """ "you are here", with a tip at the place."""
    left, top, width, height = BOXES[place]
    text = "you are here" + part.replace("part ", "")
    long = 18 + 7.2 * len(text)
    row = min(GAPS, key=lambda start: abs(start - top))
    y, side = GAPS[row]
    tip = left + width / 2
    start = tip - long / 2
    if row != 52:  # beside the arrow to the GPT
        start = min(start, AT_GPT - 10 - long) if left < AT_GPT else max(start, AT_GPT + 10)
    start = min(max(start, 6), WIDTH - 6 - long)
    end, base = (top, y + 13) if side == "down" else (top + height, y + 3)
    return [
        f'<path d="M{tip - 6:g} {base}L{tip:g} {end}L{tip + 6:g} {base}z" fill="{INK}"/>',
        f'<rect x="{start:g}" y="{y}" width="{long:g}" height="16" rx="8" fill="{INK}"/>',
        words(start + long / 2, y + 12, text, "#fff", BOLD),
    ]
