"""Where taught names are born: the cells of the notebooks that are tagged `shared:<module>`."""

import ast
import builtins
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from shared.kit.repository import notebook_paths, short_name


class Refused(Exception):
    """Copying would lose work, or would write a module that cannot be imported."""


@dataclass(frozen=True)
class TaughtCell:
    """A cell whose definitions are kept in a module, and the import statements of its notebook by
    name.
    """

    notebook: Path
    module: str
    source: str
    imports: dict[str, str]

    def definitions(self) -> dict[str, ast.stmt]:
        """Its functions, classes and UPPER_CASE constants by name.

        Raises Refused for any other statement.
        """
        found = {}
        for node in ast.parse(self.source).body:
            name = defined_name(node)
            if name is None:
                line = self.source.splitlines()[node.lineno - 1]
                raise Refused(
                    f"{short_name(self.notebook)}: a cell tagged shared:{self.module} may hold"
                    f" functions, classes and UPPER_CASE constants only, not {line.strip()!r}: move"
                    " it to a cell of its own"
                )
            found[name] = node
        return found


def defined_name(node: ast.stmt) -> str | None:
    """The name that a statement defines for keeps."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        return name if name.isupper() else None
    return None


def tagged_cells() -> list[TaughtCell]:
    """All tagged cells in the order of their birth."""
    cells = []
    for path in notebook_paths():
        code = [
            cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
        ]
        imports = import_statements(code[0].source)
        for cell in code:
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("shared:"):
                    cells.append(
                        TaughtCell(path, tag.removeprefix("shared:"), cell.source, imports)
                    )
    return cells


def births(cells: Sequence[TaughtCell]) -> dict[str, TaughtCell]:
    """The cell in which each taught name is born."""
    return {name: cell for cell in cells for name in cell.definitions()}


def taught_modules(cells: Sequence[TaughtCell]) -> list[str]:
    """The modules that tagged cells name."""
    return sorted({cell.module for cell in cells})


def import_statements(code: str) -> dict[str, str]:
    """The statement that binds each imported name, one name a statement."""
    statements = {}
    for node in ast.parse(code).body:
        for alias in getattr(node, "names", []):
            if isinstance(node, ast.ImportFrom):
                single = ast.ImportFrom(node.module, [alias], 0)
            else:
                single = ast.Import([alias])
            statements[alias.asname or alias.name.split(".")[0]] = ast.unparse(single)
    return statements


def names_needed(source: str) -> set[str]:
    """The names that code takes from outside: neither bound in it nor built in."""
    module = symtable.symtable(source, "cells", "exec")
    bound = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_assigned()}

    def used(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table is module or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from used(child)

    return set(used(module)) - bound - set(dir(builtins))
