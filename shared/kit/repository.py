"""Where the notebooks of a checkout lie, and which of them take minutes."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# more than a minute on two quiet cores
HEAVY = (
    "04_pretraining/03_pretraining_162m",
    "04_pretraining/09_open_a_real_model",
    "04_pretraining/10_chat",
    "05_instruction_finetuning/04_finetuning",
    "05_instruction_finetuning/05_lora",
    "05_instruction_finetuning/06_lora_with_peft",
    "05_instruction_finetuning/07_evaluation",
    "05_instruction_finetuning/08_finetune_a_real_model",
    "05_instruction_finetuning/09_preferences",
    "05_instruction_finetuning/10_rewards",
)


def notebook_paths() -> list[Path]:
    """All notebooks of the course in reading order."""
    return sorted(ROOT.glob("0*/*.ipynb"))


def short_name(path: Path) -> str:
    """A notebook as the course speaks of it: "03_gpt/04_generating_text"."""
    return f"{path.parent.name}/{path.stem}"


def map_path(notebook: Path) -> Path:
    """Where the map of a notebook lies."""
    return notebook.parent / "figures" / f"map_{notebook.stem}.svg"
