"""Taught modules, each written whole from the cells that are tagged `shared:<module>`."""

import ast
import difflib
import hashlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat

from shared.kit import repository
from shared.kit.births import (
    Refused,
    TaughtCell,
    births,
    names_needed,
    tagged_cells,
    taught_modules,
)
from shared.kit.repository import notebook_paths, short_name

GUARD = (  # behind a module that defines `main`: a cell holds definitions only
    '\n\n\nif __name__ == "__main__":\n    main()'
)
FOOTER = (  # and a digest, which shows a change by hand
    "# Written by `python -m shared.kit.course copy`: "
)


def module_path(module: str) -> Path:
    return repository.ROOT / "shared" / f"{module}.py"


def import_lines(module: str, cells: Sequence[TaughtCell]) -> set[str]:
    """The imports of a module: other taught names from where they are kept, the rest as its
    notebooks import it.
    """
    own = [cell for cell in cells if cell.module == module]
    born = births(cells)
    lines = set()
    for name in names_needed("\n\n\n".join(cell.source for cell in own)):
        imported = [cell.imports[name] for cell in own if name in cell.imports]
        if name in born:
            lines.add(f"from shared.{born[name].module} import {name}")
        elif imported:
            lines.add(imported[0])
        else:
            user = next(cell for cell in own if name in names_needed(cell.source))
            raise Refused(
                f"shared/{module}.py needs the name {name!r}, which {short_name(user.notebook)}"
                " neither imports in its first code cell nor defines in a tagged cell: do one of"
                " the two"
            )
    return lines


def summary(module: str) -> str:
    """The first line of a docstring, which is written by hand; a new module gets its name."""
    path = module_path(module)
    docstring = (
        ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else None
    )
    return docstring.splitlines()[0] if docstring else f"{module.replace('_', ' ').capitalize()}."


def sorted_imports(code: str, path: Path) -> str:
    """The code with its imports in ruff's order."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--select",
        "I",
        "--fix",
        "--quiet",
        "--stdin-filename",
        str(path),
        "-",
    ]
    done = subprocess.run(
        command, input=code, capture_output=True, encoding="utf-8", check=True, cwd=repository.ROOT
    )
    return done.stdout


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def without_docstring(text: str) -> str:
    """A module's code after its docstring, which may be changed by hand."""
    return text.partition('"""')[2].partition('"""')[2] if text.startswith('"""') else text


def written(module: str, cells: Sequence[TaughtCell]) -> str:
    """A module as the notebooks say it: docstring, imports, the tagged cells in the order of their
    birth.
    """
    own = [cell for cell in cells if cell.module == module]
    places = ", ".join(dict.fromkeys(short_name(cell.notebook) for cell in own))
    origin = textwrap.fill(f"Written from {places}: change it there.", 98)
    imports = "\n".join(sorted(import_lines(module, cells)))
    body = "\n\n\n".join(cell.source.strip("\n") for cell in own)
    if any("main" in cell.definitions() for cell in own):
        body += GUARD
    code = f'"""{summary(module)}\n\n{origin}\n"""\n\n{imports}\n\n\n{body}\n'
    code = sorted_imports(code, module_path(module))
    return f"{code}\n\n{FOOTER}{digest(without_docstring(code))}\n"


def changed_by_hand(text: str) -> bool:
    """Whether a module is not what was once written: its digest is missing or belongs to other
    code.
    """
    code, _, noted = text.rpartition(f"\n\n{FOOTER}")
    return noted.strip() != digest(without_docstring(code))


def differences() -> dict[str, str]:
    """For each module that is not what its cells say, the readable difference between the two."""
    cells = tagged_cells()
    found = {}
    for module in taught_modules(cells):
        path, new = module_path(module), written(module, cells)
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        if old != new:
            lines = difflib.unified_diff(
                old.splitlines(),
                new.splitlines(),
                f"shared/{module}.py",
                "the notebooks",
                lineterm="",
            )
            found[module] = "\n".join(lines)
    return found


def copy() -> list[str]:
    """Write every module that differs from its cells; return their names.

    Raises Refused, before anything is written, for a module that was changed by hand.
    """
    cells, changed = tagged_cells(), differences()
    for module, difference in changed.items():
        path = module_path(module)
        if path.is_file() and changed_by_hand(path.read_text(encoding="utf-8")):
            raise Refused(
                f"shared/{module}.py was changed by hand, and copying would lose"
                f" that:\n{difference}\nCarry the lines marked - into the notebook that the file's"
                f" first lines name, or drop them with `git checkout shared/{module}.py`; then copy"
                " again."
            )
    texts = {module: written(module, cells) for module in changed}
    for module, text in texts.items():
        module_path(module).write_text(text, encoding="utf-8", newline="\n")
    return list(changed)


def strays() -> list[str]:
    """Complaints about what no cell accounts for: modules without a tag, imports of names that are
    gone.
    """
    cells = tagged_cells()
    kept = {module: set() for module in taught_modules(cells)}
    for name, cell in births(cells).items():
        kept[cell.module].add(name)
    modules = {path.stem for path in (repository.ROOT / "shared").glob("*.py")} - {"__init__"}
    found = [
        f"shared/{module}.py is written from no tagged cell: tag its cells, or move it to"
        " shared/kit"
        for module in sorted(modules - set(kept))
    ]
    for place, source in importing_code():
        for node in ast.walk(ast.parse(source)):
            module = (getattr(node, "module", None) or "").removeprefix("shared.")
            if isinstance(node, ast.ImportFrom) and module in kept:
                found += [
                    f"{place} imports {alias.name}, which shared/{module}.py has not"
                    for alias in node.names
                    if alias.name not in kept[module]
                ]
    return found


def importing_code() -> Iterator[tuple[str, str]]:
    """(place, code) of all that may import a taught module: first cells of notebooks, and Python
    files.
    """
    for path in notebook_paths():
        cells = nbformat.read(path, as_version=4).cells
        yield short_name(path), next(cell.source for cell in cells if cell.cell_type == "code")
    for pattern in ("shared/*/*.py", "tests/**/*.py", "0*/*.py"):
        for path in sorted(repository.ROOT.glob(pattern)):
            yield path.relative_to(repository.ROOT).as_posix(), path.read_text(encoding="utf-8")
