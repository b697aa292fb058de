"""The house rules: how notebooks are built, where names are born, what the repository may hold."""

import ast
import base64
import builtins
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from shared.kit.births import births, tagged_cells, taught_modules
from shared.kit.copying import differences, strays
from shared.kit.course import PICTURE, readme_picture, with_map
from shared.kit.drawings import draw_map
from shared.kit.repository import ROOT, map_path, notebook_paths, short_name
from shared.kit.running import WIDGET, code_digest

NOTEBOOKS = notebook_paths()
CELLS = tagged_cells()
TAUGHT = taught_modules(CELLS)
LAYOUT = {
    "README.md",
    "requirements.txt",
    "pyproject.toml",
    "conftest.py",
    "LICENSE",
    "shared",
    "tests",
    "01_data",
    "02_attention",
    "03_gpt",
    "04_pretraining",
    "05_instruction_finetuning",
}
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=short_name)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def text_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "markdown"]


def lesson_cells(path: Path) -> list[nbformat.NotebookNode]:
    """The code cells of the lesson: exercises, which may stand in between, and solutions apart."""
    cells = read(path).cells
    ends = r"^## (?:Exercises|Three takeaways|Solutions)$"
    end = next((i for i, c in enumerate(cells) if re.search(ends, c.source, re.M)), len(cells))
    return [
        cell
        for cell in cells[:end]
        if cell.cell_type == "code" and not re.search(r"^(?:check|progress)\(", cell.source, re.M)
    ]


def is_tagged(cell: nbformat.NotebookNode) -> bool:
    return any(tag.startswith("shared:") for tag in tags(cell))


def tracked_files() -> list[str]:
    """All files of the repository that git tracks; without git (a downloaded archive) the check is
    skipped aloud.
    """
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode:
        pytest.skip(f"this copy is no git checkout: {git.stderr.strip()}")
    return [name for name in git.stdout.split("\0") if name]


# ---- one definition, one birthplace


def test_shared_is_what_the_tagged_cells_say():
    found = differences()
    assert not found, "run `python -m shared.kit.course copy`\n" + "\n".join(found.values())
    assert TAUGHT, "no tagged cell found: the other tests would hold nothing"


def test_everything_taught_has_a_cell_and_every_imported_name_exists():
    assert strays() == []


def test_a_taught_name_is_born_once():
    places = {}
    for cell in CELLS:
        for name in cell.definitions():
            places.setdefault(name, []).append(cell.notebook.stem)
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_tagged_cells_are_short():
    for cell in CELLS:
        assert cell.source.count("\n") < 40, f"{cell.notebook.name}: {cell.source[:200]}"


@by_name
def test_no_name_is_used_before_its_birth_or_defined_again(path):
    born = {name: cell.notebook for name, cell in births(CELLS).items()}
    imported = set()
    for cell in code_cells(path):
        tree = ast.parse(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.M))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shared"):
                for alias in node.names:
                    imported.add(alias.asname or alias.name)
                    birth = born.get(alias.name, path)
                    assert birth <= path, (
                        f"{path.name} imports {alias.name}, born only in {birth.name}"
                    )
                    assert birth != path or alias.name not in born, (
                        f"{alias.name} is born here, yet imported"
                    )
        for node in tree.body:
            name = getattr(node, "name", None)
            assert name not in imported, f"{path.name} defines {name} again"


# ---- how a notebook is built


@by_name
def test_cells_are_short_and_text_comes_first(path):
    previous = None
    imports = code_cells(path)[0].source
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            words = len(re.sub(r"\$\$.*?\$\$|\|.*\||<[^>]+>", " ", cell.source, flags=re.S).split())
            assert words <= 120, f"{words} words: {cell.source[:80]}"
        elif cell.cell_type == "code":
            length = cell.source.count("\n") + 1
            limit = 40 if is_tagged(cell) or cell.source == imports else 15
            assert length <= limit, f"{length} lines: {cell.source[:80]}"
            assert previous is not None and previous.cell_type == "markdown", (
                f"no text before: {cell.source[:80]}"
            )
        previous = cell


@by_name
def test_number_of_cells_and_order_of_runs(path):
    cells = code_cells(path)
    lesson = lesson_cells(path)
    assert 15 <= len(lesson) <= 40, f"{len(lesson)} code cells before the exercises"
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@by_name
def test_imports_stand_in_the_first_cell(path):
    for cell in code_cells(path)[1:]:
        tree = ast.parse(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.M))
        found = [ast.unparse(n) for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        assert not found, found


@by_name
def test_ignored_cells_are_few_and_followed_by_a_strict_one(path):
    cells = code_cells(path)
    ignored = [
        i
        for i, c in enumerate(cells)
        if "nbval-ignore-output" in tags(c) or "NBVAL_IGNORE" in c.source
    ]
    assert len(ignored) <= len(cells) / 10, f"{len(ignored)} of {len(cells)} cells ignored"
    assert not [c for c in cells if "nbval-skip" in tags(c) or "NBVAL_SKIP" in c.source]
    for i in ignored:
        if "times_in_turn(" in cells[i].source:
            continue  # times are shown, never asserted
        assert i + 1 < len(cells), "an ignored cell at the end: nothing checks it"
        later = "".join(c.source for c in cells[i + 1 : i + 4])
        assert "assert" in later or "claim(" in later, (
            f"no assert and no claim in three cells after the ignored: {cells[i].source[:80]}"
        )


@by_name
def test_errors_are_meant(path):
    for cell in code_cells(path):
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in tags(cell)), cell.source[:80]


@pytest.mark.parametrize("chapter", sorted({p.parent for p in NOTEBOOKS}), ids=lambda p: p.name)
def test_each_chapter_fails_once_on_purpose(chapter):
    assert any(
        "raises-exception" in tags(c) for p in chapter.glob("*.ipynb") for c in code_cells(p)
    )


@by_name
def test_header_and_footer(path):
    cells = text_cells(path)
    assert re.match(r"# \S", cells[0].source), "the first cell holds the title"
    head = "\n".join(cell.source for cell in cells[:2])
    for part in (
        "**The question:** ",
        "**You need:** ",
        "**Time:** ",
        "**You will build:** ",
        "GLOSSARY.md)",
    ):
        assert part in head, f"the head lacks {part}"
    assert re.search(r"The question:[^\n]*\?", head) and re.search(r"Time:\*\* \d+ minutes", head)
    tail = "\n".join(cell.source for cell in cells[-8:])
    assert re.search(r"[Tt]hree (takeaways|things)|[Tt]akeaways", tail), (
        "the end holds three takeaways"
    )
    if path != NOTEBOOKS[-1]:
        following = NOTEBOOKS[NOTEBOOKS.index(path) + 1]
        assert following.name in "\n".join(c.source for c in cells), f"no link to {following.name}"


@by_name
def test_exercises_start_empty_and_are_solved_at_the_end(path):
    source = "\n".join(cell.source for cell in code_cells(path))
    asked = re.findall(r'check\(\s*"([\w/]+)"', source)
    assert len(set(asked)) >= 2, f"{len(set(asked))} exercises"
    for name in set(asked):
        assert asked.count(name) >= 2, f"{name}: the exercise and its solution each call check"
    printed = "".join(o.get("text", "") for c in code_cells(path) for o in c.outputs)
    for name in set(asked):
        assert f"{name}: not attempted yet" in printed and f"{name}: right" in printed, name
    assert re.search(r"0 of \d+ done", printed), "the progress line"
    text = "\n\n".join(cell.source for cell in text_cells(path))
    body, _, solutions = text.partition("\n## Solutions\n")
    asked_for = re.findall(
        r"^\*\*(?:Exercise )?(\d+)\.", body.partition("## Exercises\n")[2] or body, re.M
    )
    solved = re.findall(r"^\*\*(\d+)\.", solutions, re.M)
    wanted = [str(n + 1) for n in range(len(set(asked)))]
    assert asked_for == solved == wanted, "each exercise and each solution has its number"


@by_name
def test_a_prediction_is_not_given_away(path):
    """The cell whose output is folded shows its source: it asserts nothing."""
    cells = read(path).cells
    ends = [i for i, c in enumerate(cells) if re.search(r"^## Solutions$", c.source, re.M)]
    for cell in cells[: ends[0]]:
        if cell.metadata.get("jupyter", {}).get("outputs_hidden"):
            assert not re.search(r"^\s*(?:assert\b|claim\()", cell.source, re.M), cell.source[:80]


@by_name
def test_the_map_below_the_title_shows_where_one_is(path):
    names = [short_name(notebook) for notebook in NOTEBOOKS]
    again = "run `python -m shared.kit.course draw`"
    assert map_path(path).is_file(), again
    assert map_path(path).read_text(encoding="utf-8") == draw_map(short_name(path), names), again
    first = text_cells(path)[0].source
    assert first == with_map(first, path, names), again


def test_no_map_is_left_of_a_notebook_that_is_gone():
    drawn = set(ROOT.glob("0*/figures/map_*.svg"))
    assert drawn <= {map_path(path) for path in NOTEBOOKS}, "run `python -m shared.kit.course draw`"


def test_the_first_page_shows_what_its_model_writes():
    """The quotation above everything else is what the cell below prints."""
    cells = read(NOTEBOOKS[0]).cells
    quotation = re.search(r"^> (.+)$", cells[0].source, re.M)[1]
    printed = "".join(o.get("text", "") for c in cells if c.cell_type == "code" for o in c.outputs)
    assert quotation in printed


@by_name
def test_links_and_pictures(path):
    text = "\n".join(cell.source for cell in text_cells(path))
    check_links(text, path.parent)


def test_links_of_the_readme():
    check_links((ROOT / "README.md").read_text(encoding="utf-8"), ROOT)


def test_the_picture_of_the_readme_is_the_headline_run():
    assert PICTURE.read_bytes() == readme_picture(), "run `python -m shared.kit.course picture`"


def check_links(text: str, folder: Path) -> None:
    for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", text):
        assert alt.strip(), f"no alternative text for {target}"
        assert (folder / target).is_file(), target
    assert not re.findall(r"<img(?![^>]*alt=)", text)
    for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://|#", target):
            assert (folder / target.split("#")[0]).exists(), f"dead link: {target}"


@by_name
def test_size_and_metadata(path):
    size = path.stat().st_size
    assert size < 500_000, f"{size} bytes"
    assert "widgets" not in read(path).metadata, "saved widget state makes cells blank elsewhere"


@by_name
def test_saved_outputs_belong_to_this_code(path):
    ran = read(path).metadata.get("course", {}).get("ran")
    assert ran == code_digest(read(path)), (
        f"run `python -m shared.kit.course run {short_name(path)}.ipynb`"
    )


@by_name
def test_pictures_were_drawn_by_the_pinned_matplotlib(path):
    pinned = re.search(
        r"^matplotlib==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M
    )[1]
    for cell in code_cells(path):
        for output in cell.outputs:
            picture = base64.b64decode(output.get("data", {}).get("image/png", ""))
            version = re.search(rb"Matplotlib version(\d[\d.]*\d)", picture)
            if picture and b"Software" in picture:
                assert version and version[1].decode() == pinned, f"{version}: {cell.source[:80]}"


@by_name
def test_outputs_name_no_path_and_no_random_id(path):
    """A path of the machine that saved them, also behind the colour codes of a traceback."""
    for cell in code_cells(path):
        for output in cell.outputs:
            texts = [
                *output.get("traceback", []),
                output.get("text", ""),
                *(str(v) for k, v in output.get("data", {}).items() if not k.startswith("image/")),
            ]
            for text in texts:
                plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
                outside = re.search(
                    r"(?<![\w./~<])/(?:[\w.-]+/)+[\w.-]+\.(?:py|ipynb|json|so)|[A-Z]:\\\\?Users",
                    plain,
                )
                assert outside is None, f"a path of one machine: {outside[0]}: {cell.source[:80]}"
    text = path.read_text(encoding="utf-8")
    outside = re.search(r"(?<![\w./~])/(home|work|root|tmp|Users)/\w+|[A-Z]:\\\\Users", text)
    assert outside is None, f"a path of one machine: {outside and outside.group(0)}"


@by_name
def test_widgets_have_steady_names(path):
    names = [
        o.data[WIDGET]["model_id"]
        for c in code_cells(path)
        for o in c.outputs
        if WIDGET in o.get("data", {})
    ]
    assert len(set(names)) == len(names)


# ---- the whole repository


def test_top_level_holds_what_the_layout_says():
    tops = {name.split("/")[0] for name in tracked_files()}
    assert {top for top in tops if not top.startswith(".")} == LAYOUT


def test_public_functions_of_taught_modules_have_docstrings_and_hints():
    for module in TAUGHT:
        tree = ast.parse((ROOT / "shared" / f"{module}.py").read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                assert ast.get_docstring(node), f"{module}.{node.name} has no docstring"
            for function in (n for n in ast.walk(node) if isinstance(n, ast.FunctionDef)):
                named = [
                    a
                    for a in function.args.args + function.args.kwonlyargs
                    if a.arg not in ("self", "cls")
                ]
                bare = [a.arg for a in named if a.annotation is None]
                assert not bare, f"{module}.{function.name}: no type hint for {bare}"


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "ruff", "check", "."],
        [sys.executable, "-m", "ruff", "format", "--check", "."],
        # wrong spellings are the subject of one family of instruction records
        [
            sys.executable,
            "-m",
            "codespell_lib",
            "--skip",
            "*/data/*,*.ipynb,./.git,./.venv,./venv,*/instruction_records.py",
            ".",
        ],
    ],
    ids=["ruff check", "ruff format", "codespell"],
)
def test_linters(command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_copies_of_cells_are_set_as_the_cells_are():
    """ruff format leaves notebooks and their copies alone; taught modules are named for it."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    excluded = re.search(r"\[tool\.ruff\.format\].*?exclude = \[(.*?)\]", settings, re.S)[1]
    named = set(re.findall(r'"shared/(\w+)\.py"', excluded))
    assert named == set(TAUGHT), (
        "name each taught module under [tool.ruff.format] in pyproject.toml"
    )


@by_name
def test_spelling_of_the_text(path, tmp_path):
    text = tmp_path / "text.md"
    text.write_text("\n".join(cell.source for cell in text_cells(path)), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "codespell_lib", str(text)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


def test_the_network_is_cut_in_tests():
    script = "import urllib.request; urllib.request.urlopen('https://pypi.org', timeout=5)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode != 0 and "refused" in result.stderr.lower(), result.stderr


def test_builtins_are_not_shadowed_at_the_top_level():
    for name, cell in births(CELLS).items():
        assert not hasattr(builtins, name), f"{cell.module}.{name}"
