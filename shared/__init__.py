"""The reusable code of the course. What is taught is born in a notebook and copied here (README, "Change a lesson")."""

import os
from pathlib import Path

DATA_FOLDER = Path(__file__).parent / "data"

# tiktoken looks here for GPT-2's vocabulary, so that it needs no network; a folder of your own wins
os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(DATA_FOLDER / "tiktoken"))
