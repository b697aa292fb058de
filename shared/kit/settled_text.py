"""A line to type in that is read when it has settled.

JupyterLab tells of Enter first, and of the last letters after it; on a busy machine some time
after it. So what is read at Enter may be cut short, or still be empty.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import ipywidgets as W

SETTLE_SECONDS = 0.25  # no letter has come for so long: the text is whole
LATE_SECONDS = 10.0  # so long Enter waits for the letters of a text that is still empty


class SettledText:
    """A text field; `send(text)` is called once for each Enter or `submit`, with the whole text.

    `draft()` is called when the text has changed and nobody has pressed Enter, `nothing()` when the
    text stays empty after it. All are called in the event loop's thread; without a loop (a test)
    there is nothing to wait for, and they are called at once.
    """

    def __init__(
        self,
        placeholder: str,
        send: Callable[[str], None],
        draft: Callable[[], None],
        nothing: Callable[[], None],
    ) -> None:
        self.send, self.draft, self.nothing = send, draft, nothing
        self.loop: asyncio.AbstractEventLoop | None = None
        self.asked = False  # Enter was pressed, and the text is not read yet
        self.timer: asyncio.TimerHandle | None = None
        self.widget = W.Text(
            placeholder=placeholder, continuous_update=False, layout=W.Layout(width="400px")
        )
        self.widget.on_msg(self.on_message)
        self.widget.observe(lambda change: self.in_loop(self.changed), names="value")

    @property
    def text(self) -> str:
        return self.widget.value.strip()

    def in_loop(self, step: Callable[[], None]) -> None:
        """Do a step in the event loop's thread, or at once if there is none."""
        if self.loop is None:
            step()
        else:
            self.loop.call_soon_threadsafe(step)

    def on_message(self, widget: Any, content: Any, buffers: Any) -> None:
        if content.get("event") == "submit":  # Enter
            self.in_loop(self.submit)

    def submit(self) -> None:
        """Read the text as soon as it has settled."""
        self.asked = True
        self.wait()

    def changed(self) -> None:
        if self.asked:
            self.wait()
        else:
            self.draft()

    def wait(self) -> None:
        """Read the text unless more of it comes."""
        self.cancel_timer()
        if self.loop is not None:
            seconds = SETTLE_SECONDS if self.text else LATE_SECONDS
            self.timer = self.loop.call_later(seconds, self.settled)
        elif self.text:
            self.settled()

    def settled(self) -> None:
        text = self.text
        self.forget()
        if text:
            self.widget.value = ""
            self.send(text)
        else:
            self.nothing()

    def forget(self) -> None:
        """Nobody has pressed Enter."""
        self.asked = False
        self.cancel_timer()

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
