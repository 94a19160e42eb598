"""Rule 6: an alias says that two ids are one user."""

from productfruits.identity.matching import place_anonymously
from productfruits.identity.people import MatchedBy, Person, Placement, Sighting
from productfruits.identity.register import Register


def alias(register: Register, sighting: Sighting) -> Placement:
    """Let both ids of an alias lead to one user, or place it without a change where that can not be."""
    user_id, previous_id = sighting.user_id, sighting.previous_id
    if user_id is None or previous_id is None or user_id == previous_id:
        return _change_nothing(register, sighting)
    target = register.by_id(user_id)
    previous = register.by_id(previous_id)
    if target is not None and target is previous:
        _confirm(register, sighting, user_id, previous_id)
        return _change_nothing(register, sighting)
    if previous is None:
        previous = register.by_anonymous_id(previous_id)
    if target is not None and previous is not None and target is not previous:
        if sighting.trust != "server" and target.username is not None and previous.username is not None:
            return Placement(sighting, None, "none", "rejected", "public_alias")
        if target.email_key is not None and previous.email_key is not None:
            register.dispute("alias", target, previous, sighting)
            return _change_nothing(register, sighting)
    user, matched_by = _unite(register, sighting, user_id, target, previous)
    if previous is None:
        # Nobody can tell whether an unknown previous id is an anonymous one. It leads to this user as either.
        register.join(previous_id, user, "alias", sighting)
    if register.by_id(previous_id) is None:
        register.link("user_id", previous_id, user, "alias", sighting.message_id)
    _confirm(register, sighting, user_id, previous_id)
    anonymous_id = sighting.anonymous_id
    if anonymous_id is not None and anonymous_id not in register.anonymous_links:
        register.join(anonymous_id, user, "alias", sighting)
    placement = Placement(sighting, user, matched_by)
    register.see(user, placement)
    return placement


def _unite(
    register: Register, sighting: Sighting, user_id: str, target: Person | None, previous: Person | None
) -> tuple[Person, MatchedBy]:
    """Return the one user whom both ids are to lead to, and how the alias found this user."""
    if target is not None:
        if previous is not None and previous is not target:
            register.fold(previous, target, "alias", sighting.message_id)
        return target, "username" if target.username == user_id else "alias"
    if previous is None:
        return register.create(user_id, sighting.at), "created"
    if sighting.trust == "server" or previous.username is None:
        register.rename(previous, user_id, "alias", sighting.message_id)
    else:
        # The public may give a known user one more id, but not another name.
        register.link("user_id", user_id, previous, "alias", sighting.message_id)
    return previous, "alias"


def _confirm(register: Register, sighting: Sighting, *user_ids: str) -> None:
    """Ids that came by e-mail alone lead here by an alias call from now on: another e-mail parts them no more."""
    if sighting.trust != "server":
        return
    for user_id in user_ids:
        link = register.user_links.get(user_id)
        if link is not None and link.how == "email":
            register.confirm(link, "alias", sighting.message_id)


def _change_nothing(register: Register, sighting: Sighting) -> Placement:
    """Place an alias that says nothing: with the userId's user, else under its anonymous id, else with nobody."""
    user_id = sighting.user_id
    if user_id is None:
        return place_anonymously(register, sighting)
    user = register.by_id(user_id)
    if user is not None:
        placement = Placement(sighting, user, "username" if user.username == user_id else "alias")
        register.see(user, placement)
        return placement
    if sighting.anonymous_id is not None:
        placement = place_anonymously(register, sighting)
    else:
        placement = Placement(sighting, None, "none")
    if placement.user is None:
        register.loose.setdefault(user_id, []).append(placement)
    return placement
