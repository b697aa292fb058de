"""No notebook and no test asserts a time, a rate or a ratio of times: it depends on who else uses
the machine.

What an assert says is followed back to where its values come from, through assignments, loops,
lists that are filled, attributes, functions and the modules of the course. A value that comes from
a clock, by whatever name, is refused.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from shared.kit.repository import ROOT, notebook_paths

CLOCKS = {
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
    "monotonic",
    "monotonic_ns",
    "thread_time",
    "thread_time_ns",
    "time_ns",
    "default_timer",
    "timeit",
    "blocked_autorange",
    "now",
    "utcnow",
}
MODULES_OF_CLOCKS = {
    "time": "time",
    "timeit": "repeat",
}  # and a function of each whose name alone says too little
FILLS = {"append", "add", "extend", "insert", "update", "setdefault", "appendleft"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Times:
    """Which names and attributes of one source hold times, and which asserts speak of them."""

    def __init__(self, source: str, known: "dict[str, Times] | None" = None) -> None:
        self.tree = ast.parse(source)
        self.attributes: set[str] = set()
        self.scopes: dict[ast.AST, set[str]] = {self.tree: set()}
        self.parent: dict[ast.AST, ast.AST] = {}
        self.functions: dict[str, ast.AST] = {}
        self.bare_clocks = set()  # `from time import time as now`
        self.place(self.tree, self.tree)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                self.take_imports(node, known or {})
        size = -1
        while size != self.size():
            size = self.size()
            self.follow()

    def size(self) -> int:
        return len(self.attributes) + sum(map(len, self.scopes.values()))

    def place(self, node: ast.AST, scope: ast.AST) -> None:
        """Note the scope that each node stands in."""
        for child in ast.iter_child_nodes(node):
            self.parent[child] = scope
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.functions[child.name] = child
            if isinstance(child, FUNCTIONS):
                self.scopes[child] = set()
            self.place(child, child if isinstance(child, FUNCTIONS) else scope)

    def take_imports(self, node: ast.ImportFrom, known: "dict[str, Times]") -> None:
        for alias in node.names:
            name = alias.asname or alias.name
            if node.module in MODULES_OF_CLOCKS and alias.name in {
                *CLOCKS,
                MODULES_OF_CLOCKS[node.module],
            }:
                self.bare_clocks.add(name)
            if node.module in known:
                self.attributes |= known[node.module].attributes
                if alias.name in known[node.module].scopes[known[node.module].tree]:
                    self.scopes[self.tree].add(name)

    def reaches(self, name: str, scope: ast.AST) -> bool:
        """Whether a name holds a time in this scope or in one around it."""
        while name not in self.scopes[scope]:
            if scope is self.tree:
                return False
            if isinstance(scope, FUNCTIONS) and name in local_names(scope):
                return False
            scope = self.parent[scope]
        return True

    def is_time(self, node: ast.AST | None) -> bool:
        """Whether an expression uses a clock, or a value that came from one."""
        if node is None:
            return False
        for part in numbers_in(node):
            if isinstance(part, ast.Call) and self.is_clock(part.func):
                return True
            if isinstance(part, ast.Attribute) and part.attr in self.attributes:
                return True
            if isinstance(part, ast.Name) and self.reaches(
                part.id, self.parent.get(part, self.tree)
            ):
                return True
        return False

    def is_clock(self, function: ast.AST) -> bool:
        if isinstance(function, ast.Attribute):
            module = getattr(function.value, "id", None)
            return function.attr in CLOCKS or MODULES_OF_CLOCKS.get(module) == function.attr
        return isinstance(function, ast.Name) and (
            function.id in self.bare_clocks or function.id in CLOCKS
        )

    def mark(self, target: ast.AST, scope: ast.AST) -> None:
        """A target of an assignment now holds a time."""
        if isinstance(target, ast.Name):
            while scope is not self.tree and target.id not in local_names(scope):
                scope = self.parent[scope]
            self.scopes[scope].add(target.id)
        elif isinstance(target, ast.Attribute):
            self.attributes.add(target.attr)
        elif isinstance(target, (ast.Subscript, ast.Starred)):
            self.mark(target.value, scope)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self.mark(part, scope)

    def follow(self) -> None:
        """One round: carry times from values to the names that they are given to."""
        for node in ast.walk(self.tree):
            scope = self.parent.get(node, self.tree)
            if isinstance(node, ast.Assign):
                pairs = [pair for target in node.targets for pair in pairs_of(target, node.value)]
            elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
                pairs = [(node.target, node.value)]
            elif isinstance(node, (ast.For, ast.comprehension)):
                pairs = [(value_target(node.target, node.iter), node.iter)]
            elif isinstance(node, ast.withitem):
                pairs = [(node.optional_vars, node.context_expr)]
            else:
                pairs = []
            for target, value in pairs:
                if self.is_time(value):
                    self.mark(target, scope)
            if (
                isinstance(node, (ast.Return, ast.Yield))
                and self.is_time(node.value)
                and hasattr(scope, "name")
            ):
                self.scopes[self.parent[scope]].add(scope.name)
            if isinstance(node, ast.Call):
                self.follow_call(node, scope)

    def follow_call(self, call: ast.Call, scope: ast.AST) -> None:
        timed = [i for i, argument in enumerate(call.args) if self.is_time(argument)]
        if timed and isinstance(call.func, ast.Attribute) and call.func.attr in FILLS:
            self.mark(call.func.value, scope)
        if isinstance(call.func, ast.Name) and call.func.id in self.functions:
            function = self.functions[call.func.id]
            names = [argument.arg for argument in function.args.args]
            self.scopes[function] |= {names[i] for i in timed if i < len(names)}

    def asserts(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            claimed = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "claim"
            if isinstance(node, ast.Assert) and self.is_time(node.test):
                yield ast.unparse(node)
            elif claimed and any(self.is_time(given) for given in node.args):
                yield ast.unparse(node)


def numbers_in(node: ast.AST) -> Iterator[ast.AST]:
    """All parts of an expression but those inside of a text or a length, which are no times."""
    counts = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "len"
    if not isinstance(node, ast.JoinedStr) and not counts:
        yield node
        for child in ast.iter_child_nodes(node):
            yield from numbers_in(child)


def plain_python(source: str) -> str:
    """The code of a notebook without its magics: `best = %timeit -o f()` is a clock too."""
    source = re.sub(r"%%?time(it)?\b.*", "perf_counter()", source)
    return re.sub(r"(?m)^\s*[!%].*$", "", source)


def local_names(function: ast.AST) -> set[str]:
    """Names that a function binds itself: its arguments and what it assigns, but for `nonlocal` and
    `global` ones.
    """
    arguments = function.args
    names = {a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    outer = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node is not function:
            names.add(node.name)
        elif isinstance(node, (ast.Nonlocal, ast.Global)):
            outer |= set(node.names)
    return names - outer


def pairs_of(target: ast.AST, value: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """`a, b = x, y` one by one, so that only those names hold a time whose value is one."""
    if (
        isinstance(target, ast.Tuple)
        and isinstance(value, ast.Tuple)
        and len(target.elts) == len(value.elts)
    ):
        return [pair for t, v in zip(target.elts, value.elts) for pair in pairs_of(t, v)]
    return [(target, value)]


def value_target(target: ast.AST, iterable: ast.AST) -> ast.AST:
    """Of `for name, seconds in times.items()` the second: the keys of a table of times are no
    times.
    """
    items = isinstance(iterable, ast.Call) and getattr(iterable.func, "attr", "") == "items"
    return (
        target.elts[1]
        if items and isinstance(target, ast.Tuple) and len(target.elts) == 2
        else target
    )


def modules_of_the_course() -> dict[str, Times]:
    """What every module under shared/ says of times, imports among them included."""
    files = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts): p.read_text(encoding="utf-8")
        for p in (ROOT / "shared").rglob("*.py")
    }
    known: dict[str, Times] = {}
    for _ in range(3):  # a time that is passed on by a module that imports it from another
        known = {name: Times(source, known) for name, source in files.items()}
    return known


KNOWN = modules_of_the_course()
NOTEBOOKS = {f"{p.parent.name}/{p.stem}": p for p in notebook_paths()}
PLACES = ("*.py", "0*/*.py", "shared/**/*.py", "tests/**/*.py")
FILES = {path.relative_to(ROOT).as_posix(): path for place in PLACES for path in ROOT.glob(place)}


def source_of(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return plain_python("\n".join(cell.source for cell in cells if cell.cell_type == "code"))


@pytest.mark.parametrize("name", [*NOTEBOOKS, *FILES])
def test_no_time_is_asserted(name):
    found = list(Times(source_of(NOTEBOOKS.get(name) or FILES[name]), KNOWN).asserts())
    assert not found, (
        f"{name} asserts a time; assert what can be counted, and show the time beside it: {found}"
    )


@pytest.mark.parametrize(
    "source",
    {
        "a name": "import time\nx = time.perf_counter()\nassert x < 3",
        "under another name": (
            "from time import monotonic as clock\ntea = clock()\nassert 2 * tea < 3"
        ),
        "time.time itself": "import time\nassert time.time() - 5 < 3",
        "a bare time": "from time import time\nbegan = time()\nassert time() - began < 1",
        "a ratio": (
            "from time import process_time\na = process_time(); b = process_time()\nc = a /"
            " b\nassert 2 < c < 4"
        ),
        "a list": (
            "import time\nxs = []\nxs.append(time.perf_counter())\nbest = min(xs)\nassert best < 1"
        ),
        "a table": "import time\nd = {}\nd['x'] = time.perf_counter()\nassert d['x'] < 1",
        "a loop over it": "import time\nfor x in [time.perf_counter()]:\n    y = x\nassert y < 1",
        "a function": (
            "import time\ndef f():\n    start = time.perf_counter()\n    return time.perf_counter()"
            " - start\nassert f() < 1"
        ),
        "an argument": "import time\ndef f(a, b):\n    assert b < 1\nf(1, time.perf_counter())",
        "an attribute": (
            "import time\nclass A:\n    def go(self):\n        self.took = time.perf_counter()\n"
            "a = A()\nassert a.took < 1"
        ),
        "an outer list": (
            "import time\nxs = []\ndef f():\n    xs.append(time.perf_counter())\nassert sum(xs) < 1"
        ),
        "a magic": "best = %timeit -o sum([])\nassert best.best < 1",
        "timeit": "import timeit\nassert timeit.timeit('1') < 1",
        "of the course": (
            "from shared.kit.system import times_in_turn\nt = times_in_turn({}, 3)\nassert"
            " t['a'][0] < 1"
        ),
    }.items(),
    ids=lambda case: case[0],
)
def test_an_asserted_time_is_found(source):
    assert list(Times(plain_python(source[1]), KNOWN).asserts())


@pytest.mark.parametrize(
    "source",
    {
        "a count beside a time": (
            "import time\nstart, calls = time.perf_counter(), 3\nassert calls == 3"
        ),
        "another name in another function": (
            "import time\ndef f():\n    x = time.time()\n    print(x)\n"
            "def g():\n    x = 3\n    assert x == 3"
        ),
        "a deadline": (
            "import time\nend = time.monotonic() + 3\ndone = False\nwhile time.monotonic() < end:\n"
            "    done = True\nassert done"
        ),
        "a field named time": "class A:\n    time = 3\nassert A().time == 3",
        "the keys of a table of times": (
            "import time\nd = {'a': time.time()}\nfor name, x in d.items():\n    assert name == 'a'"
        ),
        "how many times": "import time\nx = [time.time()]\nassert len(x) == 1",
        "a text that tells a time": (
            "import time\nlines = [f'{time.time()} s']\nassert len(lines) == 1"
        ),
        "the course's counter": (
            "from shared.kit.system import CountOperations, times_in_turn\n"
            "with CountOperations() as c:\n    pass\nassert c.calls == 0"
        ),
    }.items(),
    ids=lambda case: case[0],
)
def test_what_is_no_time_is_left_alone(source):
    assert not list(Times(source[1], KNOWN).asserts())
