"""A lab whose work takes seconds, such as a training: it shows each step, between Run and Stop."""

import asyncio
import html
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as W

from shared.kit.widgets import (
    Lab,
    align,
    as_tuple,
    closed_figures,
    error_html,
    kernel_loop,
    new_part,
    update_parts,
    values_of,
)


class LiveLab:
    """Controls, Run and Stop above what the generator `draw` yields for the controls' values.

    It runs to its end once for the controls' first values, for readers without a kernel; from then
    on between Run and Stop. What it yields is as for Lab; a part that is None stays as it was. The
    work runs in the thread of the cells, as in Lab, and between two yields other cells may run. A
    `draw` that is to remember earlier runs takes a list of them as an argument.
    """

    def __init__(self, draw: Callable[..., Iterator[Any]], **controls: W.Widget) -> None:
        self.draw = draw
        self.controls = controls
        align(controls)
        self.parts: list[W.Widget] = []
        self.run_to_the_end()
        self.run_button = W.Button(description="Run", button_style="primary")
        self.stop_button = W.Button(description="Stop", disabled=True)
        self.message = W.HTML()
        self.run_button.on_click(lambda button: self.start())
        self.stop_button.on_click(lambda button: self.stop("stopped"))
        buttons = W.HBox([self.run_button, self.stop_button, self.message])
        self.box = W.VBox([*controls.values(), buttons, *self.parts])
        self.loop = kernel_loop()
        self.work_number = 0
        for control in controls.values():
            control.observe(self.on_change, names="value")

    def on_change(self, change: Any) -> None:
        """Say that what is shown belongs to other values."""
        value = change["new"]
        if isinstance(value, float):
            value = f"{value:.3g}"
        said = f"{change['owner'].description} is now {value}: press Run"
        self.message.value = f"<i>{html.escape(said)}</i>"

    def steps(self) -> Iterator[Any]:
        """The generator for the controls' values."""
        return self.draw(**values_of(self.controls))

    def show_next(self, steps: Iterator[Any]) -> bool:
        """Do one step of the work and show what it yields; False if there is none left."""
        with closed_figures():
            result = next(steps, None)
            if result is None:
                return False
            if self.parts:
                update_parts(self.parts, as_tuple(result))
            else:
                self.parts = [new_part(part) for part in as_tuple(result)]
            return True

    def run_to_the_end(self) -> None:
        """Do all steps at once."""
        steps = self.steps()
        while self.show_next(steps):
            pass

    def start(self) -> None:
        """Begin anew with the controls' values; without an event loop (a test) run to the end."""
        self.stop("")
        if self.loop is None:
            return self.run_to_the_end()
        self.stop_button.disabled = False
        self.message.value = "<i>working ...</i>"
        asyncio.run_coroutine_threadsafe(self.work(self.work_number), self.loop)

    def stop(self, message: str) -> None:
        """End the work at hand, if any, after its step; what it has shown stays."""
        self.work_number += 1  # work with an older number ends
        self.stop_button.disabled = True
        self.message.value = message

    async def work(self, number: int) -> None:
        """Show step after step, until the last or until another number is at work."""
        ending = "done"
        steps = self.steps()
        try:
            while number == self.work_number and self.show_next(steps):
                await asyncio.sleep(0.01)  # lets other cells run
        except Exception as error:
            ending = error_html(error)
        if number == self.work_number:
            self.stop(ending)

    _repr_mimebundle_ = Lab._repr_mimebundle_
