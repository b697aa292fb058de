"""The tool of whoever changes a lesson: `python -m shared.kit.course COMMAND` (see --help)."""

import argparse
import base64
import re
import subprocess
import sys
from pathlib import Path

import nbformat

from shared.kit.births import Refused, tagged_cells
from shared.kit.copying import copy, differences, strays
from shared.kit.drawings import alt_text, draw_map
from shared.kit.repository import HEAVY, ROOT, map_path, notebook_paths, short_name
from shared.kit.running import run
from shared.kit.versions import wrong_versions

PICTURE = ROOT / ".github" / "loss.png"
HEADLINE = "04_pretraining/03_pretraining_162m"


def copy_cells(arguments: argparse.Namespace) -> bool:
    """Write the tagged cells of all notebooks into shared/; with --check only say what would
    change.
    """
    if arguments.check:
        found = differences()
        print("\n".join(found.values()) or "shared/ is what the notebooks say")
    else:
        changed = copy()
        print(
            "\n".join(f"written: shared/{module}.py" for module in changed)
            or "shared/ was up to date"
        )
        found = {}
    complaints = strays()
    print("\n".join(complaints), end="\n" if complaints else "")
    return not found and not complaints


def run_notebooks(arguments: argparse.Namespace) -> bool:
    """Run notebooks top to bottom in the pinned environment and save their outputs."""
    wrong = wrong_versions()
    if wrong:
        lines = [
            f"  {name}: {found or 'missing'} is installed, {pinned} is pinned"
            for name, (pinned, found) in wrong.items()
        ]
        raise Refused(
            "outputs are saved under the pinned versions only, and here\n"
            + "\n".join(lines)
            + "\nInstall them first: pip install -r requirements.txt"
        )
    paths = [path.resolve() for path in arguments.notebooks]
    if not paths:
        paths = [
            path for path in notebook_paths() if arguments.all or short_name(path) not in HEAVY
        ]
        if not arguments.all:
            print(
                f"left out, since they take minutes (--all takes them too): {', '.join(HEAVY)}",
                file=sys.stderr,
            )
    for path in paths:
        print(f"{short_name(path)}: {'saved' if run(path) else 'nothing new'}", file=sys.stderr)
    return True


def check(arguments: argparse.Namespace) -> bool:
    """Style, copies and the rules of the house."""
    python = [sys.executable, "-m"]
    commands = [
        [*python, "ruff", "check", "."],
        [*python, "ruff", "format", "--check", "."],
        [*python, "pytest", "-q", "tests/course/test_rules.py", "tests/course/test_rooms.py"],
    ]
    results = [subprocess.run(command, cwd=ROOT).returncode == 0 for command in commands]
    return copy_cells(argparse.Namespace(check=True)) and all(results)


def test_chapter(arguments: argparse.Namespace) -> bool:
    """The notebooks of a chapter that take less than a minute, and the tests of what is born in
    them.
    """
    chapter = next(
        (path for path in sorted(ROOT.glob("0*")) if arguments.chapter in path.name), None
    )
    if chapter is None:
        names = ", ".join(path.name for path in sorted(ROOT.glob("0*")))
        raise Refused(f"no chapter is called {arguments.chapter!r}: there are {names}")
    notebooks = [path for path in sorted(chapter.glob("*.ipynb")) if short_name(path) not in HEAVY]
    stems = {path.stem[3:] for path in chapter.glob("*.ipynb")}
    modules = {cell.module for cell in tagged_cells() if cell.notebook.parent == chapter}
    tests = [
        path
        for room, names in (("taught", modules), ("checks", stems), ("labs", stems))
        for path in sorted((ROOT / "tests" / room).glob("test_*.py"))
        if path.stem[5:] in names
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "-q",
        "-m",
        "not slow and not browser and not load and not own",
    ]
    return (
        subprocess.run([*command, *map(str, notebooks), *map(str, tests)], cwd=ROOT).returncode == 0
    )


def readme_picture() -> bytes:
    """The loss plot of the saved headline run, as PNG."""
    notebook = nbformat.read(ROOT / f"{HEADLINE}.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if cell.source.startswith("epochs_seen = "))
    return base64.b64decode(
        next(o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {}))
    )


def save_picture(arguments: argparse.Namespace) -> bool:
    """Take README's picture out of the headline run's notebook."""
    PICTURE.write_bytes(readme_picture())
    return True


def with_map(source: str, notebook: Path, names: list[str]) -> str:
    """A notebook's first cell with its map, the only one, below the title."""
    title, _, rest = source.partition("\n")
    rest = re.sub(r"^!\[[^\]]*\]\(figures/map_[^)]*\)\n+", "", rest, flags=re.M)
    picture = f"![{alt_text(short_name(notebook), names)}](figures/{map_path(notebook).name})"
    return f"{title}\n\n{picture}\n\n{rest.lstrip()}"


def draw_maps(arguments: argparse.Namespace) -> bool:
    """Draw the map of the course for each notebook and show it below the notebook's title."""
    paths = notebook_paths()
    names = [short_name(path) for path in paths]
    try:
        drawn = {map_path(path): draw_map(short_name(path), names) for path in paths}
    except ValueError as reason:
        raise Refused(reason) from None
    for path in {old for p in paths for old in p.parent.glob("figures/map_*.svg")} - set(drawn):
        path.unlink()  # of a notebook that has another name now
    for path, picture in drawn.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(picture, encoding="utf-8", newline="\n")
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        first = notebook.cells[0]
        before, first.source = first.source, with_map(first.source, path, names)
        if first.source != before:
            nbformat.write(notebook, path)
    return True


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m shared.kit.course", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        added.set_defaults(function=function)
        return added

    command("copy", copy_cells).add_argument(
        "--check", action="store_true", help="write nothing, fail on any difference"
    )
    running = command("run", run_notebooks)
    running.add_argument(
        "notebooks", nargs="*", type=Path, help="without names: all that take less than a minute"
    )
    running.add_argument("--all", action="store_true", help="the heavy ones too")
    command("check", check)
    command("test", test_chapter).add_argument(
        "chapter", help="a part of its name: data, attention, gpt, ..."
    )
    command("picture", save_picture)
    command("draw", draw_maps)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    parsed = parse(arguments)
    try:
        return 0 if parsed.function(parsed) else 1
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
