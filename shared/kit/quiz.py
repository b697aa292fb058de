"""Questions with a few choices, answered by clicks: one at a time, and why after each."""

import html
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as W

WRONG_CHOICES = 3
WIDTH = W.Layout(width="720px", max_width="100%")


@dataclass(frozen=True)
class Question:
    """A question, its choices in the order in which they are shown, the right one, and why."""

    text: str
    choices: tuple[str, ...]
    right: str
    because: str
    name: str = ""


def in_words(choice: Any) -> str:
    """A choice as it is shown: numbers with commas, all else as Python's own text."""
    return f"{choice:,}" if isinstance(choice, int) else str(choice)


def question(
    draw: random.Random, text: str, right: Any, wrong: Sequence[Any], because: str
) -> Question:
    """A question with the right choice and up to three wrong ones, shuffled.

    A wrong choice that is as the right one, or as another, is left out.
    Raises ValueError if no wrong one is left.
    """
    others = [c for c in dict.fromkeys(map(in_words, wrong)) if c != in_words(right)]
    if not others:
        raise ValueError(f"no wrong choice beside {in_words(right)!r}: {text}")
    choices = [in_words(right), *others[:WRONG_CHOICES]]
    draw.shuffle(choices)
    return Question(text, tuple(choices), in_words(right), because)


class Quiz:
    """Asks questions one by one; the first click counts, then it says why.

    `answered(question, right)` is called after each. Without a kernel there is a sentence to read.
    """

    def __init__(
        self, questions: Sequence[Question], answered: Callable[[Question, bool], None]
    ) -> None:
        if not questions:
            raise ValueError("there is no question to ask")
        self.questions, self.answered = questions, answered
        self.place = self.right = 0
        self.heading = W.HTML(layout=WIDTH)
        self.choices = W.VBox(layout=WIDTH)
        self.feedback = W.HTML(layout=WIDTH)
        self.next = W.Button(description="Next", button_style="primary")
        self.next.on_click(lambda button: self.go_on())
        self.box = W.VBox([self.heading, self.choices, self.feedback, self.next])
        self.ask()

    @property
    def asked(self) -> Question:
        """The question that is shown."""
        return self.questions[self.place]

    def ask(self) -> None:
        """Show the question whose turn it is."""
        count = f"<b>{self.place + 1} of {len(self.questions)}.</b> "
        self.heading.value = count + self.asked.text
        self.feedback.value = ""
        self.next.disabled = True
        auto = W.Layout(width="auto", height="auto")
        self.choices.children = [W.Button(description=c, layout=auto) for c in self.asked.choices]
        for button in self.choices.children:
            button.on_click(lambda button: self.answer(button.description))

    def answer(self, choice: str) -> None:
        """Take a choice, say whether it is right, and why."""
        if not self.next.disabled:
            return  # the first click counts
        right = choice == self.asked.right
        self.right += right
        for button in self.choices.children:
            button.disabled = True
            if button.description == self.asked.right:
                button.button_style = "success"
            elif button.description == choice:
                button.button_style = "danger"
        said = "Right." if right else f"No: it is {html.escape(self.asked.right)}."
        self.feedback.value = f"<b>{said}</b> {self.asked.because}"
        self.next.disabled = False
        self.answered(self.asked, right)

    def go_on(self) -> None:
        """Show the next question, or after the last one what became of them."""
        if self.place + 1 < len(self.questions):
            self.place += 1
            self.ask()
            return
        self.choices.children = []
        self.next.layout.display = "none"
        self.heading.value = f"<b>{self.right} of {len(self.questions)} were right.</b>"
        self.feedback.value = (
            "" if self.right == len(self.questions) else "What was missed comes back next time."
        ) + " Run the cell again for other questions."

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = self.box._repr_mimebundle_()
        words = f"{len(self.questions)} questions, drawn anew each time: run this cell."
        bundle["text/plain"], bundle["text/html"] = "<Quiz>", words
        return bundle
