"""One small vocabulary for labs: a plain function that draws, its controls, its picture."""

import asyncio
import base64
import html
import io
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ipywidgets as W
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

WAIT_SECONDS = 0.05  # moves closer together than this share one redraw
WIDE = {"description_width": "initial"}
LAYOUT = W.Layout(width="560px", max_width="100%")


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


def align(controls: dict[str, W.Widget]) -> None:
    """Give all labels left of their control one width, so that the controls, boxes too, begin at one line."""
    labelled = [control for control in controls.values() if not isinstance(control, W.Checkbox)]
    width = f"{0.6 * max((len(control.description) for control in labelled), default=0):.0f}em"
    for control in controls.values():
        if control in labelled:
            control.style.description_width = width
        else:  # a box's text stands behind it
            control.layout = W.Layout(margin=f"2px 2px 2px {width}")


def error_html(error: Exception) -> str:
    """An error as one line in the page's own colour for errors, light or dark."""
    text = "".join(traceback.format_exception_only(error)).strip()
    return f'<span class="lab-error" style="color:var(--jp-error-color1,#b00020)">{html.escape(text)}</span>'


def kernel_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop in which the kernel runs the cells; None where there is no kernel, as in a test."""
    with suppress(RuntimeError):
        return asyncio.get_running_loop()


class Lab:
    """Controls above what `draw` returns for their values: a figure, HTML, or a tuple of these.

    Without a kernel (GitHub, print) the saved notebook shows the picture of the first values. Quick moves share one
    redraw. An error in `draw` is shown in place and leaves the last picture; without an event loop it is raised.
    JupyterLab tells of a moved control in a second thread; the drawing is done in that of the cells, so that never two
    touch a model or pyplot at once. While a long cell runs, the lab waits and says so.
    """

    def __init__(self, draw: Callable[..., Any], **controls: W.Widget) -> None:
        self.draw, self.controls = draw, controls
        align(controls)
        self.message = W.HTML()
        self.parts = [self.show_part(part) for part in self.results()]
        self.box = W.VBox([*controls.values(), self.message, *self.parts])
        self.loop, self.waiting = kernel_loop(), None
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
        if self.loop is None:  # a test sets the value, and wants the result or the error at once
            return self.redraw()
        self.message.value = "<i>working ...</i>"
        self.loop.call_soon_threadsafe(self.redraw_soon)

    def redraw_soon(self) -> None:
        if self.waiting:
            self.waiting.cancel()
        self.waiting = self.loop.call_later(WAIT_SECONDS, self.redraw_or_explain)

    def redraw_or_explain(self) -> None:
        try:
            self.redraw()
        except Exception as error:
            self.message.value = error_html(error)

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
    Stop. What it yields is as for Lab; a part that is None stays as it was. The work runs in the thread of the cells,
    as in Lab, and between two yields other cells may run.
    """

    def __init__(self, draw: Callable[..., Any], **controls: W.Widget) -> None:
        self.draw, self.controls = draw, controls
        align(controls)
        self.parts: list[W.Widget] = []
        for result in self.steps():
            self.show(result)
        self.run_button = W.Button(description="Run", button_style="primary")
        self.stop_button = W.Button(description="Stop", disabled=True)
        self.message = W.HTML("")
        self.run_button.on_click(lambda button: self.start())
        self.stop_button.on_click(lambda button: self.stop("stopped"))
        self.box = W.VBox([*controls.values(), W.HBox([self.run_button, self.stop_button, self.message]), *self.parts])
        self.loop, self.work_number = kernel_loop(), 0
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
        if self.loop is None:
            for result in self.steps():
                self.show(result)
            return
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
        try:
            for result in self.steps():
                if number != self.work_number:
                    return
                self.show(result)
                await asyncio.sleep(0.01)  # lets other cells run
        except Exception as error:
            ending = error_html(error)
        if number == self.work_number:
            self.stop(ending)

    _repr_mimebundle_ = Lab._repr_mimebundle_
