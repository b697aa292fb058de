"""The rooms of shared/: things have tests of their name, imports go one way, modules are short."""

import ast
from pathlib import Path

import pytest

from shared.kit.repository import ROOT

SHARED = ROOT / "shared"
MODULES = sorted(path for path in SHARED.rglob("*.py") if path.name != "__init__.py")
SCRIPTS = sorted(ROOT.glob("0*/*.py"))
# what each room may import besides itself
BELOW = {
    "kit": set(),
    "taught": {"kit"},
    "checks": {"taught", "kit"},
    "labs": {"taught", "kit"},
    "questions": {"kit"},
}
LONGEST = 200
LONG = {"shared.kit.instruction_records": "a table of words, not code to read"}


def room(module: str) -> str:
    """The room of a module of shared: "taught" for shared.gpt, "kit" for shared.kit.plots."""
    parts = module.split(".")
    is_package = (SHARED / parts[1]).is_dir() if len(parts) > 1 else False
    return parts[1] if is_package else "taught"


def module_name(path: Path) -> str:
    """shared.kit.plots for shared/kit/plots.py, shared.checks for shared/checks/__init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(source: str, known: set[str]) -> set[str]:
    """The modules of shared that a source imports, at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= submodules or {node.module}
    return {name for name in found if name.split(".")[0] == "shared"}


def all_imports() -> dict[str, set[str]]:
    paths = {module_name(path): path for path in SHARED.rglob("*.py")}
    return {
        name: imported_modules(path.read_text(encoding="utf-8"), set(paths))
        for name, path in paths.items()
    }


def find_cycle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one cycle, the first of them again at its end; empty if there is none."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return []
        for used in sorted(imports.get(module, set())):
            cycle = visit(used, [*trail, module])
            if cycle:
                return cycle
        done.add(module)
        return []

    return next(filter(None, (visit(module, []) for module in sorted(imports))), [])


def test_every_taught_module_and_script_and_all_of_the_kit_has_the_test_of_its_name():
    wanted = {ROOT / "tests" / "taught" / f"test_{path.name}" for path in SCRIPTS}
    for path in MODULES:
        if room(module_name(path)) in ("taught", "kit"):
            wanted.add(ROOT / "tests" / room(module_name(path)) / f"test_{path.name}")
    found = {
        path for name in ("taught", "kit") for path in (ROOT / "tests" / name).glob("test_*.py")
    }
    assert wanted == found, f"missing: {wanted - found}, without a module: {found - wanted}"


@pytest.mark.parametrize("name", sorted(BELOW))
def test_imports_go_one_way(name):
    for module, used in all_imports().items():
        if room(module) == name and module != "shared":
            wrong = {other for other in used if room(other) not in BELOW[name] | {name}}
            assert not wrong, f"{module} stands in the room {name!r} and imports {sorted(wrong)}"


def test_imports_have_no_cycle():
    assert not find_cycle(all_imports())


def test_a_cycle_is_found_and_a_meeting_is_none():
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []


def test_imports_are_found_in_every_form():
    source = "import shared.gpt\ndef f():\n    from shared.kit import plots, WIDTH\nimport os\n"
    source += "from shared.labs import draw\n"
    found = imported_modules(source, {"shared.gpt", "shared.kit.plots"})
    assert found == {"shared.gpt", "shared.kit.plots", "shared.labs"}


def length(path: Path) -> int:
    """The lines of a module; of a taught one those of its cells, since its head is generated."""
    source = path.read_text(encoding="utf-8")
    lines = len(source.splitlines())
    if room(module_name(path)) != "taught":
        return lines
    body = ast.parse(source).body[1:]  # without the docstring
    first = next(node for node in body if not isinstance(node, (ast.Import, ast.ImportFrom)))
    return lines - first.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_modules_are_short(path):
    lines = length(path)
    if module_name(path) in LONG:
        assert lines > LONGEST, f"{module_name(path)} needs no exception any more"
    else:
        assert lines <= LONGEST, f"{module_name(path)} has {lines} lines"
