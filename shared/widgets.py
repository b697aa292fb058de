"""One small vocabulary for labs: a plain function that draws, its controls, its picture."""

import asyncio
import base64
import html
import io
import traceback
from collections.abc import Callable
from typing import Any

import ipywidgets as W
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

WAIT_SECONDS = 0.05  # moves closer together than this share one redraw
WIDE = {"description_width": "initial"}
LAYOUT = W.Layout(width="480px")


def slider(label: str, value: float, low: float, high: float, step: float = 1) -> W.Widget:
    """A slider of whole numbers, or of decimals if a number among its arguments is one; name the unit in the label."""
    kind = W.IntSlider if all(isinstance(x, int) for x in (value, low, high, step)) else W.FloatSlider
    return kind(value=value, min=low, max=high, step=step, description=label, style=WIDE, layout=LAYOUT)


def log_slider(label: str, value: float, low: int, high: int, step: float = 0.25) -> W.Widget:
    """A slider over powers of ten, from 10**low to 10**high."""
    return W.FloatLogSlider(value=value, base=10, min=low, max=high, step=step, description=label, style=WIDE,
                            layout=LAYOUT, readout_format=".1e")


def choice(label: str, options: Any, value: Any = None) -> W.Dropdown:
    """A drop-down list; the first option is chosen unless `value` names another."""
    widget = W.Dropdown(options=options, description=label, style=WIDE, layout=LAYOUT)
    if value is not None:
        widget.value = value
    return widget


def switch(label: str, value: bool = False) -> W.Checkbox:
    """A box to tick."""
    return W.Checkbox(value=value, description=label, indent=False, layout=LAYOUT)


def textbox(label: str, value: str, rows: int = 1) -> W.Widget:
    """A place to type."""
    kind = W.Text if rows == 1 else W.Textarea
    return kind(value=value, description=label, style=WIDE, layout=W.Layout(width="720px"))


def png_bytes(figure: Figure) -> bytes:
    """A figure as a PNG file; closes the figure, so that it is not shown a second time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


class Lab:
    """Controls above what `draw` returns for their values: a figure, HTML, or a tuple of these.

    Without a kernel (GitHub, print) the saved notebook shows the picture of the first values. Quick moves share one
    redraw. An error in `draw` is shown in place and leaves the last picture; without an event loop it is raised.
    """

    def __init__(self, draw: Callable[..., Any], **controls: W.Widget) -> None:
        self.draw, self.controls = draw, controls
        label_width = f"{0.6 * max(len(control.description) for control in controls.values()):.0f}em"
        for control in controls.values():
            if not isinstance(control, W.Checkbox):
                control.style.description_width = label_width  # sliders begin at one line
        self.message = W.HTML()
        self.parts = [self.show_part(part) for part in self.results()]
        self.box = W.VBox([*controls.values(), self.message, *self.parts])
        self.waiting: asyncio.TimerHandle | None = None
        for control in controls.values():
            control.observe(self.on_change, names="value")

    def results(self) -> tuple:
        """What `draw` returns for the controls' values, always as a tuple."""
        result = self.draw(**{name: control.value for name, control in self.controls.items()})
        return result if isinstance(result, tuple) else (result,)

    @staticmethod
    def show_part(part: Any) -> W.Widget:
        if not isinstance(part, Figure):
            return W.HTML(part)
        at_its_size = W.Layout(align_self="flex-start", max_width="100%")  # a box would stretch it until it blurs
        return W.Image(value=png_bytes(part), format="png", layout=at_its_size)

    def redraw(self) -> None:
        """Draw again for the values that the controls have now."""
        self.waiting = None
        for widget, part in zip(self.parts, self.results(), strict=True):
            widget.value = png_bytes(part) if isinstance(part, Figure) else part
        self.message.value = ""

    def on_change(self, change: Any) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel: a test sets the value, and wants the result or the error at once
            self.redraw()
            return
        if self.waiting:
            self.waiting.cancel()
        self.message.value = "<i>working ...</i>"
        self.waiting = loop.call_later(WAIT_SECONDS, self.redraw_or_explain)

    def redraw_or_explain(self) -> None:
        try:
            self.redraw()
        except Exception as error:
            text = "".join(traceback.format_exception_only(error)).strip()
            self.message.value = f'<span class="lab-error" style="color:#b00020">{html.escape(text)}</span>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = self.box._repr_mimebundle_()
        bundle["text/plain"] = f"<Lab: {', '.join(self.controls)}>"
        for widget in self.parts:
            if isinstance(widget, W.Image):
                bundle.setdefault("image/png", base64.b64encode(widget.value).decode())
            else:
                bundle.setdefault("text/html", widget.value)
        return bundle


class LiveLab:
    """A lab whose work takes seconds: `draw` is a generator that yields its picture again and again, up to the last.

    It runs to its end once for the controls' first values, for readers without a kernel; from then on between Run and
    Stop. What it yields is as for Lab; a part that is None stays as it was. The work shares the kernel's own loop, so
    that no second thread touches a model: a step between two yields should take at most 200 ms.
    """

    def __init__(self, draw: Callable[..., Any], **controls: W.Widget) -> None:
        self.draw, self.controls = draw, controls
        label_width = f"{0.6 * max(len(control.description) for control in controls.values()):.0f}em"
        for control in controls.values():
            if not isinstance(control, W.Checkbox):
                control.style.description_width = label_width  # sliders begin at one line
        self.parts: list[W.Widget] = []
        for result in self.steps():
            self.show(result)
        self.run_button = W.Button(description="Run", button_style="primary")
        self.stop_button = W.Button(description="Stop", disabled=True)
        self.message = W.HTML("")
        self.run_button.on_click(lambda button: self.start())
        self.stop_button.on_click(lambda button: self.stop("stopped"))
        self.box = W.VBox([*controls.values(), W.HBox([self.run_button, self.stop_button, self.message]), *self.parts])
        self.task: asyncio.Task | None = None
        for name, control in controls.items():
            control.observe(lambda change, name=name: self.on_change(name, change["new"]), names="value")

    def on_change(self, name: str, value: Any) -> None:
        """Say that what is shown belongs to other values."""
        self.message.value = f"<i>{html.escape(name)} is now {html.escape(str(value))}: press Run</i>"

    def show(self, result: Any) -> None:
        """Put what `draw` yielded into the page."""
        result = result if isinstance(result, tuple) else (result,)
        self.parts = self.parts or [Lab.show_part(part) for part in result]
        for widget, part in zip(self.parts, result, strict=True):
            if part is not None:
                widget.value = png_bytes(part) if isinstance(part, Figure) else part

    def steps(self) -> Any:
        """The generator for the controls' values."""
        return self.draw(**{name: control.value for name, control in self.controls.items()})

    def start(self) -> None:
        """Begin anew with the controls' values; without an event loop (a test) run to the end at once."""
        self.stop("")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            for result in self.steps():
                self.show(result)
            return
        self.stop_button.disabled = False
        self.message.value = "<i>working ...</i>"
        self.task = loop.create_task(self.work())

    def stop(self, message: str) -> None:
        """End the work at hand, if any; what it has shown stays."""
        if self.task is not None:
            self.task.cancel()
            self.task, self.stop_button.disabled = None, True
        self.message.value = message

    async def work(self) -> None:
        try:
            for result in self.steps():
                self.show(result)
                await asyncio.sleep(0.01)  # lets the kernel read the Stop button
            self.message.value = "done"
        except Exception as error:
            text = "".join(traceback.format_exception_only(error)).strip()
            self.message.value = f'<span class="lab-error" style="color:#b00020">{html.escape(text)}</span>'
        self.task, self.stop_button.disabled = None, True

    _repr_mimebundle_ = Lab._repr_mimebundle_
