"""The scoreboard: what each model of the course reaches on one text, and what it writes.

Rows of the course's story are recorded in shared/data/scoreboard.json by the maintainer's `run`;
rows of a reader's own text are kept in the user's cache.
"""

import hashlib
import json
import math
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pooch
from matplotlib.figure import Figure

from shared.kit.corpora import read_course_file
from shared.kit.downloads import DATA_FOLDER
from shared.kit.plots import BLUE, SKY, table
from shared.kit.system import quick

RECORD = DATA_FOLDER / "scoreboard.json"
CHANGED = 0.02  # nats: a smaller difference is the processor's, and the record stays
UNITS = {"nats": 1.0, "bits": 1 / math.log(2)}


class Scoreboard:
    """The rows of all earlier notebooks, and those that this one adds.

    `notebook` is a short name such as "02_attention/01_averaging_the_past". A loss is given in nats
    a character of the text's last tenth.
    """

    def __init__(self, notebook: str, text: str) -> None:
        self.notebook = notebook
        self.is_story = text == read_course_file("story.txt")
        self.path = RECORD if self.is_story else own_record(text)
        self.rows = [row for row in read_rows(self.path) if row["notebook"] < notebook]

    def add(self, name: str, nats: float, text: str) -> None:
        """Add a model's row; a second row of the same name replaces the first.

        Raises ValueError for a loss that is no number of nats.
        """
        if not (math.isfinite(nats) and nats >= 0):
            raise ValueError(f"a loss in nats is 0 or more, not {nats}")
        row = {"notebook": self.notebook, "name": name, "nats": round(nats, 3), "text": text}
        self.rows = [old for old in self.rows if old["name"] != name] + [row]
        if not self.is_story or recording():
            save_row(self.path, row)

    def loss(self, name: str) -> float:
        """The loss of a row, in nats a character. Raises KeyError for a name that has no row."""
        return {row["name"]: row["nats"] for row in self.rows}[name]

    def table(self, unit: str = "nats") -> str:
        """All rows as an HTML table, in nats or bits a character."""
        rows = [(row["name"], f"{row['nats'] * UNITS[unit]:.2f}", row["text"]) for row in self.rows]
        return table(["model", f"{unit} a character", "what it writes"], rows)

    def bars(self, unit: str = "nats") -> Figure:
        """All rows as bars, the rows of this notebook in a darker blue; shorter is better."""
        names = [row["name"] for row in self.rows]
        values = [row["nats"] * UNITS[unit] for row in self.rows]
        colours = [BLUE if row["notebook"] == self.notebook else SKY for row in self.rows]
        figure, ax = plt.subplots(figsize=(7, 0.7 + 0.34 * len(names)))
        bars = ax.barh(names, values, color=colours)
        ax.bar_label(bars, [f"{value:.2f}" for value in values], padding=3)
        ax.invert_yaxis()
        ax.margins(x=0.1)
        ax.set(xlabel=f"validation loss ({unit} a character): shorter is better")
        figure.tight_layout()
        return figure


def recording() -> bool:
    """Whether the maintainer's `run` is saving notebooks, at their full setting."""
    return bool(os.environ.get("LLM_COURSE_RECORD")) and quick(True, False)


def own_record(text: str) -> Path:
    """Where the rows of a reader's own text are kept."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Path(pooch.os_cache("llm-course")) / "scoreboard" / f"{digest}.json"


def read_rows(path: Path) -> list[dict]:
    """The recorded rows, in the order of the course; none where nothing is recorded."""
    if not path.is_file():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))
    return sorted(rows, key=lambda row: row["notebook"])


def save_row(path: Path, row: dict) -> None:
    """Record a row, unless it is recorded with nearly the same loss."""
    rows = read_rows(path)
    same = [old for old in rows if (old["notebook"], old["name"]) == (row["notebook"], row["name"])]
    if same and abs(same[0]["nats"] - row["nats"]) < CHANGED:
        return
    rows = [old for old in rows if old not in same] + [row]
    rows.sort(key=lambda entry: entry["notebook"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
