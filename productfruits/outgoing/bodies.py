"""What a destination gets to read: the document of an event, as it is, in chosen fields, by template, or as a message
for people.

`Document` is what templates and fields take their values from:
{"type", "timestamp", "workspace", "event": {…} or null, "user": {…} or null, "conflict": {…} or null}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from productfruits.errors import ProductFruitsError
from productfruits.outgoing import template

Kind = Literal["generic", "slack", "teams", "discord", "segment", "jitsu"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Destinations that show one text to people.
CHATS = ("slack", "teams", "discord")
Form = Literal["event", "fields", "template", "text", "segment", "jitsu"]
#: Which forms of body a kind of destination can have, the usual one first.
FORMS: Mapping[str, tuple[Form, ...]] = {
    "generic": ("event", "fields", "template"),
    "slack": ("text", "template"),
    "teams": ("text", "template"),
    "discord": ("text", "template"),
    "segment": ("segment",),
    "jitsu": ("jitsu",),
}
DEFAULT_TEXT = "{{ user.email | default: user.username | default: 'Somebody' }}: {{ event.event | default: type }}"

Document = Mapping[str, Any]


class BodyTooLarge(ProductFruitsError):
    """The body of this event would be larger than 256 KiB. Send fewer fields: choose them, or use a template."""


@dataclass(frozen=True, slots=True)
class Body:
    """How a body is made. `fields`: (name, path or None, constant); `template` for the forms template and text."""

    form: Form = "event"
    fields: tuple[tuple[str, str | None, Any], ...] = ()
    template: str = ""
    #: What stands in a destination in Jitsu's form: text and filter.
    jitsu: Mapping[str, Any] = field(default_factory=dict)


def read(stored: Mapping[str, Any]) -> Body:
    """A body as it is kept: {"form", "fields": [{"name", "from"} or {"name", "value"}], "template"}."""
    return Body(
        form=stored.get("form", "event"),
        fields=tuple((field["name"], field.get("from"), field.get("value")) for field in stored.get("fields", ())),
        template=stored.get("template", ""),
        jitsu=stored if stored.get("form") == "jitsu" else {},
    )


def write(kind: str, body: Body, document: Document) -> bytes:
    """The JSON that is sent. Raises `BadTemplate` or `BodyTooLarge`."""
    match body.form:
        case "template":
            written = template.render_json(body.template, document)
        case "text":
            written = template.as_json(_CHAT[kind](body.template, document)).encode()
        case "fields":
            chosen = {name: value if path is None else find(document, path) for name, path, value in body.fields}
            written = template.as_json(chosen).encode()
        case "segment":
            written = template.as_json(document["message"]).encode()
        case _:
            written = template.as_json(
                {
                    "type": document["type"],
                    "timestamp": document["timestamp"],
                    "workspace": document["workspace"],
                    "data": {name: document[name] for name in ("event", "user", "conflict") if document.get(name)},
                }
            ).encode()
    if len(written) > template.MAX_BODY:
        raise BodyTooLarge()
    return written


def find(document: Document, path: str) -> Any:
    """What stands under a path like event.properties.price or event.properties.items.0.sku; None where nothing does."""
    found: Any = document
    for part in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isascii() and part.isdigit() and int(part[:9]) < len(found):
            found = found[int(part[:9])]
        else:
            return None
    return found


def _slack(text: str, document: Document) -> dict[str, Any]:
    return {"text": template.render_text(text, document, _slack_escape)}


def _teams(text: str, document: Document) -> dict[str, Any]:
    block = {"type": "TextBlock", "text": template.render_text(text, document, _markdown_escape), "wrap": True}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [block],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _discord(text: str, document: Document) -> dict[str, Any]:
    # Whatever stands in a trait, nobody is called by it.
    said = template.render_text(text, document, _markdown_escape)
    return {"content": said[:2_000], "allowed_mentions": {"parse": []}}


_CHAT: Mapping[str, Callable[[str, Document], dict[str, Any]]] = {"slack": _slack, "teams": _teams, "discord": _discord}


def _slack_escape(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text: so no value makes a link or calls a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown_escape(text: str) -> str:
    """So that no value makes a link, an image or a heading."""
    return "".join(f"\\{character}" if character in "\\`*_[]()#~|<>!" else character for character in text)
