"""For whoever changes a lesson: `python -m shared.kit.course copy` and `python -m shared.kit.course run NOTEBOOK ...`.

`copy` carries the tagged cells of all notebooks into shared/; `run` runs notebooks top to bottom and saves their
outputs as `pytest --nbval` will see them. Without names, `run` takes every notebook. `picture` takes README's picture
out of the headline run's notebook.
"""

import argparse
import ast
import base64
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / ".github" / "loss.png"
SECONDS_A_CELL = 3600


def notebook_paths() -> list[Path]:
    """All notebooks of the course in reading order."""
    return sorted(ROOT.glob("0*/*.ipynb"))


def definitions(source: str) -> dict[str, str]:
    """The top-level functions, classes and constants of Python code by name, with the comments right above them."""
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        name = definition_name(node)
        if name is None:
            continue
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        while start > 0 and lines[start - 1].startswith("#"):
            start -= 1
        found[name] = "\n".join(lines[start : node.end_lineno])
    return found


def definition_name(node: ast.stmt) -> str | None:
    """The name that a statement defines for keeps: a function, a class or an UPPER_CASE constant."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
        return node.targets[0].id
    return None


def tagged_definitions() -> list[tuple[Path, str, str, str]]:
    """(notebook, module, name, source) of every definition in a cell tagged `shared:<module>`."""
    found = []
    for path in notebook_paths():
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("shared:"):
                    module = tag.removeprefix("shared:")
                    found += [(path, module, name, text) for name, text in definitions(cell.source).items()]
    return found


def copy() -> list[str]:
    """Replace each tagged definition in its module, or append it; return what was changed."""
    changed = []
    for _, module, name, text in tagged_definitions():
        path = ROOT / "shared" / f"{module}.py"
        source = path.read_text(encoding="utf-8")
        old = definitions(source).get(name)
        if old == text:
            continue
        new = source.replace(old, text, 1) if old else f"{source.rstrip()}\n\n\n{text}\n"
        path.write_text(new, encoding="utf-8", newline="\n")
        changed.append(f"shared/{module}.py: {name}")
    return changed


def run(path: Path) -> None:
    """Run a notebook in a fresh kernel and save it: counts 1..n, no widget state, nothing that names this machine."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=SECONDS_A_CELL, store_widget_state=False, record_timing=False,
                            coalesce_streams=True,  # text that comes in pieces is saved as one
                            resources={"metadata": {"path": str(path.parent)}})
    # nbval does not route Output widgets; neither do we, so that what a lab draws stays in its cell
    client.comm_open_handlers.clear()
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            tidy(output)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)


def tidy(output: nbformat.NotebookNode) -> None:
    """Cut this machine's paths out of a traceback, and all but the last state of a progress bar out of a stream."""
    if output.output_type == "error":
        output.traceback = [re.sub(r"[^\s'\"]*site-packages", "site-packages", line) for line in output.traceback]
    if output.get("name") == "stderr":
        output.text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in output.text.split("\n"))


def readme_picture() -> bytes:
    """The loss plot of the saved headline run, as PNG."""
    notebook = nbformat.read(ROOT / "04_pretraining" / "03_pretraining_162m.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if cell.source.startswith("epochs_seen = "))
    return base64.b64decode(next(o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["copy", "run", "picture"])
    parser.add_argument("notebooks", nargs="*", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "copy":
        print("\n".join(copy()) or "shared/ is up to date")
        return
    if arguments.command == "picture":
        PICTURE.write_bytes(readme_picture())
        return
    for path in arguments.notebooks or notebook_paths():
        print(path, file=sys.stderr)
        run(path)


if __name__ == "__main__":
    main()
