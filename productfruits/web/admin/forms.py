"""Shapes of the forms. What a value means is decided by the service; a form that our pages cannot send is refused."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask import abort, request
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, pre_load, validate

from productfruits.functions.examples import EXAMPLES
from productfruits.models import ROLES, VERIFICATION
from productfruits.models.content import KINDS

#: Sent by every form of ours, and no part of what it says.
ENVELOPE = ("csrf_token", "username")


class Form(Schema):
    class Meta:
        unknown = RAISE


def text(limit: int = 1_000, *, required: bool = True) -> fields.String:
    return fields.String(required=required, validate=validate.Length(max=limit))


class Setup(Form):
    token = text()
    email = text()
    password = text(10_000)
    workspace = text(required=False)


class Login(Form):
    email = text()
    password = text(10_000)
    next = text(required=False)


class NewPassword(Form):
    token = text()
    password = text(10_000)


class ChangePassword(Form):
    current = text(10_000)
    password = text(10_000)


class Name(Form):
    name = text()


class Switch(Form):
    on = fields.Boolean(required=True, truthy={"1"}, falsy={"0"})


class Rotate(Form):
    overlap_hours = fields.Integer(required=True, validate=validate.OneOf((0, 1, 24, 168)))


class Secret(Form):
    secret = fields.Integer(required=True)


class Alias(Form):
    kind = fields.String(required=True, validate=validate.OneOf(("user_id", "anonymous_id")))
    value = text()


class Erase(Form):
    confirm = fields.String(required=True, validate=validate.Equal("erase"))


class Reset(Form):
    confirm = fields.String(required=True, validate=validate.Equal("reset"))


class ResetUser(Form):
    content = text(100, required=False)


class Keep(Form):
    keep = text()


class Invite(Form):
    email = text()
    role = fields.String(required=True, validate=validate.OneOf(ROLES))


class NewFunction(Form):
    name = text(100)
    example = fields.String(required=True, validate=validate.OneOf(tuple(EXAMPLES)))


class Resend(Form):
    """Times are those of a datetime-local field: no zone, meant as UTC."""

    what = fields.String(required=True, validate=validate.OneOf(("delivery", "failed", "range")))
    delivery = fields.Integer(load_default=-1)
    start = fields.NaiveDateTime(format="iso", timezone=dt.UTC, load_default=None)
    end = fields.NaiveDateTime(format="iso", timezone=dt.UTC, load_default=None)

    @pre_load
    def empty_is_not_given(self, data: Mapping[str, str], **_: Any) -> dict[str, str]:
        return {name: value for name, value in data.items() if value}

    @post_load
    def in_utc(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: v.replace(tzinfo=dt.UTC) if isinstance(v, dt.datetime) else v for name, v in data.items()}


class Role(Form):
    role = fields.String(required=True, validate=validate.OneOf(ROLES))


class NewContent(Form):
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    key = text(100)
    name = text()


class NewAudience(Form):
    key = text(100)
    name = text()


class NewTheme(Form):
    key = text(100)
    name = text()


class Visitors(Form):
    verification = fields.String(required=True, validate=validate.OneOf(VERIFICATION))
    trusts_page = fields.Boolean(required=True, truthy={"1"}, falsy={"0"})
    allows_anonymous = fields.Boolean(required=True, truthy={"1"}, falsy={"0"})


class Pace(Form):
    limit_count = fields.Integer(required=True, allow_none=True)
    limit_days = fields.Integer(required=True, allow_none=True)
    quiet_hours = fields.Integer(required=True)
    time_zone = text(100)

    @pre_load
    def empty_is_no_limit(self, data: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {name: None if name.startswith("limit_") and value == "" else value for name, value in data.items()}


class Preview(Form):
    page = fields.URL(required=True, schemes=("http", "https"), require_tld=False)


class NewKey(Form):
    key = text(100)


def read(shape: type[Form]) -> Mapping[str, Any]:
    """The form of this request, or a 400 for one that does not fit: only a program or a tampered page sends that."""
    # A checkbox sends "0" always and "1" after it when it is on: the last value of a name counts.
    said = {name: values[-1] for name, values in request.form.lists() if name not in ENVELOPE}
    try:
        # marshmallow's load is untyped; the shape names the keys.
        loaded: Mapping[str, Any] = shape().load(said)
    except ValidationError:
        abort(400)
    return loaded
