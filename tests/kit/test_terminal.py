"""A conversation in a terminal: what is typed, what is shown, how an answer is stopped."""

import builtins
import io

import pytest

from shared.kit import terminal
from shared.kit.terminal import show_answer, talk, typed_lines


def echo(message):
    yield from (f"<{message}", ">")


def shown(lines, answer=echo, commands=None):
    said = []
    talk(answer, commands or {}, lines, said.append)
    return "".join(said[1:])  # without the line of help


def test_lines_are_answered_and_empty_ones_are_not():
    assert shown(["Hi\n", "", "  ", " And you? "]) == "<Hi>\n<And you?>\n"


def test_a_command_gets_the_words_behind_it():
    given = []
    commands = {"/system": lambda words: given.append(words) or "(done)"}
    assert shown(["/system  Be kind. ", "/system"], commands=commands) == "(done)\n(done)\n"
    assert given == ["Be kind.", ""]


def test_an_unknown_command_names_those_that_there_are():
    assert "no command is named /help; there are: /new" in shown(["/help"], commands={"/new": str})


def test_an_interrupt_stops_an_answer_and_not_the_conversation():
    closed = []

    def answer(message):
        try:
            yield "one "
            if message == "long":
                raise KeyboardInterrupt
            yield "two"
        finally:
            closed.append(message)

    assert shown(["long", "short"], answer) == "one  (stopped)\none two\n"
    assert closed == ["long", "short"]


def test_an_interrupt_while_a_piece_is_shown_closes_the_answer():
    closed = []

    def answer():
        try:
            while True:
                yield "piece"
        finally:
            closed.append(True)

    said = []

    def show(text):
        said.append(text)
        if len(said) == 3:
            raise KeyboardInterrupt

    show_answer(answer(), show)
    assert closed and said[3:] == [" (stopped)", "\n"]


def test_an_error_is_a_line():
    def refuse(message):
        raise ValueError(f"{message} is too long")
        yield

    assert shown(["word", "again"], refuse) == "(word is too long)\n(again is too long)\n"


def test_lines_end_with_the_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    assert list(typed_lines()) == ["one", "two"]
    monkeypatch.setattr("sys.stdin", None)
    assert list(typed_lines()) == []


def test_an_interrupt_at_the_prompt_asks_again(monkeypatch, capsys):
    answers = iter([KeyboardInterrupt, "one", EOFError])

    def typed(prompt):
        assert prompt == terminal.PROMPT
        answer = next(answers)
        if answer == "one":
            return answer
        raise answer

    monkeypatch.setattr(builtins, "input", typed)
    assert list(typed_lines()) == ["one"]
    assert "Ctrl-D ends" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_a_terminal_cannot_write_does_not_end_the_conversation(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    talk(lambda message: iter(["🦭"]), {}, ["Hi"])
    assert raw.getvalue().endswith(b"?\n") or raw.getvalue().endswith(b"?\r\n")
