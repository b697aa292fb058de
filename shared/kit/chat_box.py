"""A small chat box: a conversation, a line to write in, and below what the model sees."""

import asyncio
import html
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as W

from shared.kit.settled_text import SettledText
from shared.kit.widgets import WIDE, align, error_html, kernel_loop, slider

BUBBLE = "display:inline-block;border-radius:8px;padding:4px 10px;margin:2px;max-width:85%;"
SIDES = {"user": ("right", "#cfe3f1"), "assistant": ("left", "#e8e8e8")}
SCROLL = "display:flex;flex-direction:column-reverse;max-height:320px;overflow-y:auto"  # at its end


def bubbles(said: list[list[str]]) -> str:
    """What was said, pairs of who and what, as HTML; it scrolls, and shows its end."""
    lines = ""
    for who, words in said:
        side, colour = SIDES[who]
        text = html.escape(words or "...").replace("\n", "<br>")
        bubble = f'<span style="background:{colour};color:#000;{BUBBLE}">{text}</span>'
        lines += f'<div style="text-align:{side};line-height:1.4">{bubble}</div>'
    return f'<div style="{SCROLL}"><div>{lines}</div></div>'


class ChatBox:
    """A place to talk to a model.

    `answer(message, system, temperature, top_p)` streams text, `restart()` forgets all, and
    `seen(draft, system)` says in HTML what the model sees. All of them run in the thread of the
    cells, and between two pieces of an answer a Stop is heard. `first` is asked and answered at
    once, so that a reader without a kernel has something to read.
    """

    def __init__(
        self,
        answer: Callable[[str, str, float, float], Iterator[str]],
        restart: Callable[[], None],
        seen: Callable[[str, str], str],
        system: str = "",
        first: str = "",
    ) -> None:
        self.answer, self.restart, self.seen = answer, restart, seen
        self.said: list[list[str]] = []
        self.pieces: Iterator[str] | None = None  # of the answer at work
        self.line = SettledText(
            "Write a message, then press Enter",
            send=self.send,
            draft=self.show_seen,
            nothing=lambda: self.say("write a message first"),
        )
        self.build(system)
        if first:
            self.send(first)
        self.show_said()
        self.show_seen()
        self.line.loop = kernel_loop()

    def build(self, system: str) -> None:
        """Make the widgets and say what moves them."""
        self.system = W.Textarea(
            value=system,
            description="system prompt",
            continuous_update=False,
            rows=2,
            style=WIDE,
            layout=W.Layout(width="720px", max_width="100%"),
        )
        self.temperature = slider("temperature", 0.0, 0.0, 2.0, 0.1)
        self.top_p = slider("top-p", 0.9, 0.05, 1.0, 0.05)
        self.transcript = W.HTML(layout=W.Layout(width="720px", max_width="100%"))
        self.send_button = W.Button(description="Send", button_style="primary")
        self.stop_button = W.Button(description="Stop", disabled=True)
        self.new_button = W.Button(description="New")
        self.message = W.HTML()
        self.seen_part = W.HTML(layout=W.Layout(max_width="100%"))
        buttons = [self.send_button, self.stop_button, self.new_button]
        line = W.HBox([self.line.widget, *buttons], layout=W.Layout(flex_flow="row wrap"))
        controls = [self.system, self.temperature, self.top_p]
        align({control.description: control for control in controls})
        self.box = W.VBox([*controls, self.transcript, line, self.message, self.seen_part])
        steps = {
            self.send_button: self.line.submit,
            self.stop_button: self.stop,
            self.new_button: self.new,
        }
        for button, step in steps.items():
            button.on_click(lambda button, step=step: self.line.in_loop(step))
        for control in controls:
            control.observe(self.on_setting, names="value")

    def on_setting(self, change: Any) -> None:
        name, value = change["owner"].description, change["new"]
        value = f"{value:.3g}" if isinstance(value, float) else f"{value!r}"
        self.say(f"{name} is now {value}, from the next answer on")
        self.line.in_loop(self.show_seen)

    def say(self, words: str) -> None:
        self.message.value = f"<i>{html.escape(words)}</i>"

    def send(self, message: str) -> None:
        """Ask the model; without an event loop the answer is written to its end at once."""
        if self.pieces is not None:
            self.line.widget.value = message
            return self.say("an answer is being written: press Stop first")
        self.said += [["user", message], ["assistant", ""]]
        settings = (self.system.value, self.temperature.value, self.top_p.value)
        pieces = self.pieces = self.answer(message, *settings)
        self.stop_button.disabled = False
        self.say("writing ...")
        self.show_said()
        if self.line.loop is not None:
            self.line.loop.create_task(self.work(pieces))
            return
        while self.show_next(pieces):
            pass

    async def work(self, pieces: Iterator[str]) -> None:
        """Write an answer, and let a Stop and other cells through between its pieces."""
        while self.show_next(pieces):
            await asyncio.sleep(0.01)

    def show_next(self, pieces: Iterator[str]) -> bool:
        """Show one more piece of an answer; False if it has ended, or is no longer at work."""
        if pieces is not self.pieces:
            return False
        try:
            piece = next(pieces, None)
        except Exception as error:
            self.end(error_html(error))
            return False
        if piece is None:
            self.end("")
            return False
        self.said[-1][1] += piece
        self.show_said()
        return True

    def end(self, message: str) -> None:
        """No answer is at work any more."""
        self.pieces = None
        self.stop_button.disabled = True
        self.message.value = message
        self.show_said()
        self.show_seen()

    def stop(self) -> None:
        """End the answer where it is; what was written stays."""
        if self.pieces is not None:
            self.pieces.close()
            self.end("<i>stopped</i>")

    def new(self) -> None:
        """Begin a new conversation."""
        self.stop()
        self.line.forget()
        self.said = []
        self.restart()
        self.say("a new conversation")
        self.show_said()
        self.show_seen()

    def show_said(self) -> None:
        self.transcript.value = bubbles(self.said)

    def show_seen(self) -> None:
        """Show what the model sees, with the text in the line as a draft."""
        try:
            self.seen_part.value = self.seen(self.line.text, self.system.value)
        except Exception as error:
            self.message.value = error_html(error)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = self.box._repr_mimebundle_()
        bundle["text/plain"] = "<ChatBox: type a message>"
        bundle["text/html"] = self.transcript.value + self.seen_part.value
        return bundle
