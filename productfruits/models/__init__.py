"""The nouns of the store. Importing this package registers every table, so that alembic sees all of them."""

from productfruits.models.admin import ROLES, Admin, AuditEntry, LoginThrottle, Membership
from productfruits.models.adoption import VERIFICATION, AdoptionSettings, IdentityCoverage, IdentitySecret
from productfruits.models.api_key import ApiKey
from productfruits.models.connection import Connection, ConnectionSecret
from productfruits.models.content import Audience, Content, ContentVersion, Theme
from productfruits.models.content_state import ContentState
from productfruits.models.destination import Delivery, DeliveryAttempt, Destination, DestinationSecret
from productfruits.models.event import Event, SeenMessage
from productfruits.models.function import (
    Function,
    FunctionError,
    FunctionInstance,
    FunctionRequest,
    FunctionVersion,
    StoredObject,
)
from productfruits.models.group import Group, GroupMember
from productfruits.models.intake_log import Conflict, DeadLetter, Erasure, Rejection, Tombstone
from productfruits.models.user import User, UserAlias, Visitor
from productfruits.models.workspace import Workspace

__all__ = [
    "ROLES",
    "VERIFICATION",
    "Admin",
    "AdoptionSettings",
    "ApiKey",
    "Audience",
    "AuditEntry",
    "Conflict",
    "Connection",
    "ConnectionSecret",
    "Content",
    "ContentState",
    "ContentVersion",
    "DeadLetter",
    "Delivery",
    "DeliveryAttempt",
    "Destination",
    "DestinationSecret",
    "Erasure",
    "Event",
    "Function",
    "FunctionError",
    "FunctionInstance",
    "FunctionRequest",
    "FunctionVersion",
    "Group",
    "GroupMember",
    "IdentityCoverage",
    "IdentitySecret",
    "LoginThrottle",
    "Membership",
    "Rejection",
    "SeenMessage",
    "StoredObject",
    "Theme",
    "Tombstone",
    "User",
    "UserAlias",
    "Visitor",
    "Workspace",
]
