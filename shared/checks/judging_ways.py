"""Which way an answer takes: what an exercise forbids, and changes of what it was given."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

LOOPS = {
    ast.For: "for",
    ast.While: "while",
    ast.ListComp: "comprehension",
    ast.SetComp: "comprehension",
    ast.DictComp: "comprehension",
    ast.GeneratorExp: "comprehension",
}


def uses(answer: Callable, *ways: str, given: tuple = ()) -> str | None:
    """The first way that a function takes of those an exercise forbids, or None.

    A way is a loop, "for" or "while", a "comprehension", or a function or method by its name:
    "cross_entropy". It is looked for in the source of the answer and of the reader's functions that
    it calls. With `given`, arguments, the answer is called, and PyTorch tells which of its
    functions were asked: so a way is seen where there is no source or where it has another name.
    """
    found = ways_in_source(answer) | (ways_in_call(answer, given) if given else set())
    return next((way for way in ways if way in found), None)


def spoils(function: Callable, *given: Any) -> str | None:
    """A hint if a call changes one of the tensors that it is given."""
    copies = [thing.clone() if isinstance(thing, Tensor) else thing for thing in given]
    function(*copies)
    for thing, copied in zip(given, copies):
        if isinstance(thing, Tensor) and not torch.equal(thing, copied):
            return (
                "your function changes the tensor that it was given, in place (with += or a name "
                "that ends in _): make a new one"
            )
    return None


def plain_function(answer: Any) -> FunctionType | None:
    """The Python function behind a partial, a method, a decorated function or a module."""
    while isinstance(answer, partial):
        answer = answer.func
    if isinstance(answer, torch.nn.Module):
        answer = answer.forward
    answer = inspect.unwrap(getattr(answer, "__func__", answer))
    return answer if isinstance(answer, FunctionType) else None


def definition(function: FunctionType) -> ast.AST | None:
    """A function as a syntax tree, or None where its source cannot be had or told from others."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no file, or a lambda in the middle of a statement
        return None
    if function.__name__ != "<lambda>":
        return tree
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return lambdas[0] if len(lambdas) == 1 else None


def ways_in_source(answer: Any) -> set[str]:
    """Loops and names in a function's source and in those of its own file that it names."""
    waiting = [plain_function(answer)]
    seen: set[CodeType] = set()
    ways: set[str] = set()
    while waiting:
        function = waiting.pop()
        if function is None or function.__code__ in seen:
            continue
        seen.add(function.__code__)
        for node in ast.walk(definition(function) or ast.Module([], [])):
            ways.add(LOOPS.get(type(node), ""))
            if isinstance(node, (ast.Attribute, ast.alias)):
                ways.add(node.attr if isinstance(node, ast.Attribute) else node.name)
            elif isinstance(node, ast.Name) and node.id not in function.__code__.co_varnames:
                known = function.__globals__.get(node.id)
                if getattr(known, "__globals__", None) is function.__globals__:
                    waiting.append(known)  # a function of the reader's, whatever its name
                else:
                    ways.add(node.id)
    return ways


class Witness(TorchFunctionMode):
    """Notes the names of PyTorch's functions that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: set[str] = set()

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        self.called.add(getattr(function, "__name__", ""))
        return function(*args, **(kwargs or {}))


def ways_in_call(answer: Callable, given: tuple) -> set[str]:
    """The names of PyTorch's functions that a call of the answer with these arguments asks for."""
    with Witness() as witness:
        answer(*given)
    return witness.called
