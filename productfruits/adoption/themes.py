"""Themes: the look of content, and whether people can read it."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from productfruits.adoption.fields import NAME_MAX, Color, Id, Line, Part, Switch, Whole, one, one_of

#: https://www.w3.org/TR/WCAG22/#contrast-minimum
LEAST_CONTRAST = 4.5
MODES = ("light", "dark", "auto")
POSITIONS = ("center", "top", "bottom-right", "bottom-left")
#: Foreground, background, and what is written there. A link or a button of style link has the accent's colour.
PAIRS = (
    ("text", "background", "text"),
    ("accent_text", "accent", "the text of primary buttons"),
    ("accent", "background", "the text of a link"),
)


def contrast(one: str, other: str) -> float:
    """How well two colours are told apart, from 1 to 21 (WCAG 2)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


LIGHT = {
    "background": "#ffffff",
    "text": "#1f2937",
    "accent": "#4f46e5",
    "accent_text": "#ffffff",
    "border": "#e5e7eb",
}
DARK = {
    "background": "#111827",
    "text": "#f3f4f6",
    "accent": "#a5b4fc",
    "accent_text": "#111827",
    "border": "#374151",
}


class Colors(Part):
    """The colours of one mode; text is legible on each."""

    @validates_schema
    def legible(self, data: dict[str, Any], **kwargs: Any) -> None:
        errors = {}
        for front, back, what in PAIRS:
            found = contrast(data[front], data[back])
            if found < LEAST_CONTRAST:
                # Rounded down, so that 4.49 does not read as enough.
                shown = int(found * 10) / 10
                errors[front] = [
                    f"{data[front]} on {data[back]} has a contrast of {shown}:1, and {what} "
                    f"needs {LEAST_CONTRAST}:1 to be legible. Take a darker or lighter colour."
                ]
        if errors:
            raise ValidationError(errors)


def _color(name: str, built_in: Mapping[str, str], where: str) -> Color:
    return Color(where, load_default=built_in[name])


def _colors(mode: str, built_in: Mapping[str, str]) -> type[Colors]:
    """The schema of a mode: what is left out is as in the built-in look."""
    places = {
        "background": "Of tooltips, modals and checklists.",
        "text": "Of text on it.",
        "accent": "Of primary buttons, progress and links.",
        "accent_text": "Of text on primary buttons.",
        "border": "Of edges and lines.",
    }
    told = {"__doc__": f"The colours of the {mode.lower()} mode. What is left out is as in the built-in look."}
    return type(f"{mode}Colors", (Colors,), told | {name: _color(name, built_in, places[name]) for name in places})


LightColors = _colors("Light", LIGHT)
DarkColors = _colors("Dark", DARK)


class Theme(Part):
    """A theme."""

    key = Id("Short name in contents and files; never changes.", required=True)
    name = Line("For the people who choose it.", NAME_MAX, required=True)
    mode = one_of(MODES, "auto: as the user's system says.", load_default="light")
    light = one(LightColors, "Colours of the light mode.", load_default=LIGHT.copy)
    dark = one(DarkColors, "Colours of the dark mode.", load_default=DARK.copy)
    radius = Whole("Of corners, in pixels.", 0, 24, load_default=8)
    font = Line(
        "Font families as in CSS; inherit takes the page's own.",
        NAME_MAX,
        load_default="inherit",
    )
    position = one_of(POSITIONS, "Where modals stand.", load_default="center")
    default = Switch("Content that names no theme has this one; at most one is.", load_default=False)

    font.validators.append(
        validate.Regexp(r"^[A-Za-z0-9 ,'\"_-]+$", error="Write names of fonts and commas, like Inter, sans-serif.")
    )


def resolve(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """A theme as the browser gets it; None is the built-in look."""
    theme = document if document is not None else _BUILT_IN
    return {name: theme[name] for name in ("mode", "light", "dark", "radius", "font", "position")}


def _luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_BUILT_IN = Theme().load({"key": "built-in", "name": "Built-in"})
