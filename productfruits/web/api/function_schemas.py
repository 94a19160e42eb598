"""The public shapes of functions, their instances, and what they store."""

from marshmallow import RAISE, Schema, fields, validate

from productfruits.functions import definitions
from productfruits.functions.definitions import FunctionShape, SettingShape
from productfruits.web.api.schemas import Answer, Query, instant, json_object, page_of, text


class Function(Answer):
    """A function as it was saved last."""

    key = text("Names the function in addresses and commands.", required=True)
    name = text("What people call it.", required=True)
    kind = text("source or destination.", required=True, validate=validate.OneOf(definitions.KINDS))
    version = fields.Integer(required=True, metadata={"description": "Number of the newest version."})
    code = text("The newest version's JavaScript.", required=True)
    settings = fields.List(
        fields.Nested(SettingShape), required=True, metadata={"description": "The settings that the code asks for."}
    )
    handlers = fields.List(fields.String(), required=True, metadata={"description": "What the code defines."})
    instances = fields.Integer(required=True, metadata={"description": "How many instances there are."})
    created_at = instant("When the function was made", required=True)
    saved_at = instant("When the newest version was saved", required=True)


class Functions(Answer):
    """All functions of the workspace."""

    functions = fields.List(fields.Nested(Function), required=True)


class FunctionChange(FunctionShape):
    """What to change. What is left out stays; the settings are replaced as a whole."""

    name = fields.String(validate=validate.Length(1, definitions.NAME_MAX))
    kind = fields.String(validate=validate.OneOf(definitions.KINDS))
    code = fields.String(validate=validate.Length(1, definitions.CODE_CHARACTERS))
    settings = fields.List(fields.Nested(SettingShape), validate=validate.Length(max=definitions.MAX_SETTINGS))


class Deployment(Schema):
    """Which version to run, and where."""

    class Meta:
        unknown = RAISE

    version = fields.Integer(metadata={"description": "Number of the version; the newest where it is left out."})
    instances = fields.List(
        fields.Integer(), metadata={"description": "Numbers of instances; all of them where it is left out."}
    )


class Deployed(Answer):
    """What runs now."""

    version = fields.Integer(required=True)
    instances = fields.Integer(required=True, metadata={"description": "How many instances run it now."})


class FunctionDeleted(Answer):
    """The function or instance is gone."""

    deleted = fields.Boolean(required=True)


class Instance(Answer):
    """A function in use."""

    id = fields.Integer(required=True)
    name = text("What it is for.", required=True)
    enabled = fields.Boolean(required=True)
    version = fields.Integer(required=True, metadata={"description": "Number of the version that it runs."})
    settings = json_object("The values; sensitive ones are null.", required=True)
    url = text("Address of a source function; null for a destination function.", required=True, allow_none=True)
    succeeded = fields.Integer(required=True, metadata={"description": "Runs that succeeded."})
    failed = fields.Integer(required=True, metadata={"description": "Runs that were given up."})
    last_run_at = instant("When it ran last", required=True, allow_none=True)
    created_at = instant("When it was connected", required=True)


class Instances(Answer):
    """All instances of a function."""

    instances = fields.List(fields.Nested(Instance), required=True)


class InstanceShape(Schema):
    """A new instance."""

    class Meta:
        unknown = RAISE

    name = text("What it is for.", required=True)
    settings = json_object("Values of the settings by key.", load_default=dict)


class InstanceChange(Schema):
    """What to change. What is left out stays; null keeps a sensitive value."""

    class Meta:
        unknown = RAISE

    name = text("What it is for.")
    settings = json_object("Values of the settings by key; those left out stay.")
    enabled = fields.Boolean(metadata={"description": "Whether it runs."})


class FunctionError(Answer):
    """A run that was given up."""

    id = fields.Integer(required=True)
    at = instant("When it failed", required=True)
    kind = text("Segment's name of it, like Bad Request.", required=True)
    name = text("The class of what was thrown.", required=True)
    message = text("What was thrown, in words.", required=True)
    stack = text("Where it was thrown.", required=True)
    log = fields.List(fields.Dict(), required=True, metadata={"description": "Lines with `level` and `text`."})
    input = text("The event or request, cut where it is long.", required=True)
    attempts = fields.Integer(required=True)
    took_ms = fields.Integer(required=True)


class FunctionErrors(Answer):
    """The newest failures of an instance: a hundred, thirty days."""

    errors = fields.List(fields.Nested(FunctionError), required=True)


class ObjectsQuery(Query):
    """Which objects."""

    collection = text("Name of the collection.", required=True)


class StoredObject(Answer):
    """What a source function set."""

    id = text("The object's own id.", required=True)
    collection = text("The collection it is in.", required=True)
    properties = json_object("The newest value of each property.", required=True)
    created_at = instant("When it was first set", required=True)
    updated_at = instant("When it was last set", required=True)


ObjectPage = page_of("objects", StoredObject, "Some objects of a collection, by id.")
