"""A conversation in a terminal: lines in, pieces of text out, Ctrl-C stops, Ctrl-D ends."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

PROMPT = "> "


def typed_lines() -> Iterator[str]:
    """What is typed, line by line, until the input ends (Ctrl-D, or a closed input)."""
    while sys.stdin is not None:
        try:
            line = input(PROMPT)
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print("\n(Ctrl-D ends)")
            continue
        yield line


def show_at_once(text: str) -> None:
    """Print a piece of text without a line break and without delay."""
    print(text, end="", flush=True)


def show_answer(pieces: Iterator[str], show: Callable[[str], None]) -> None:
    """Show an answer piece by piece; Ctrl-C ends it where it is, and an error becomes a line."""
    try:
        for piece in pieces:
            show(piece)
    except KeyboardInterrupt:
        pieces.close()
        show(" (stopped)")
    except ValueError as error:
        show(f"({error})")
    show("\n")


def talk(
    answer: Callable[[str], Iterator[str]],
    commands: Mapping[str, Callable[[str], str]],
    lines: Iterable[str] | None = None,
    show: Callable[[str], None] = show_at_once,
) -> None:
    """Answer line after line. A line "/name words" calls a command, which says what it did."""
    for stream in (sys.stdin, sys.stdout):
        if hasattr(stream, "reconfigure"):  # a byte or a character that the terminal cannot say
            stream.reconfigure(errors="replace")
    known = ", ".join([*commands, "Ctrl-C stops an answer", "Ctrl-D ends"])
    show(f"({known})\n")
    for line in typed_lines() if lines is None else lines:
        name, _, words = line.strip().partition(" ")
        if name in commands:
            show(f"{commands[name](words.strip())}\n")
        elif name.startswith("/"):
            show(f"(no command is named {name}; there are: {known})\n")
        elif name:
            show_answer(answer(line.strip()), show)
