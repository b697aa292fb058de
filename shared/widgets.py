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
        return W.Image(value=png_bytes(part), format="png") if isinstance(part, Figure) else W.HTML(part)

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
