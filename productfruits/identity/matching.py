"""Rules 1 to 5 and 10: which user an identify, track, page, screen or group is from, and what it changes there."""

from productfruits.identity.people import MatchedBy, Person, Placement, Sighting
from productfruits.identity.register import Register


def match(register: Register, sighting: Sighting) -> Placement:
    """Place a message by e-mail, else by id, else with a new user, else under its anonymous id."""
    claim = sighting.email
    user_id = sighting.user_id
    owner = None if claim.key is None else register.emails.get(claim.key)
    holder = None if user_id is None else register.by_id(user_id)
    #: Whose e-mail a public message speaks of without being allowed to match by it.
    withheld: Person | None = None
    if (
        sighting.trust != "server"
        and owner is not None
        and owner is not holder
        and (holder is not None or owner.username is not None)
    ):
        # Anybody can send any e-mail with the write key. It may only find somebody who has no other id.
        owner, withheld = None, owner
    matched_by: MatchedBy
    if owner is not None:
        person, matched_by = owner, "email"
        if user_id is not None and holder is not owner:
            _give_id(register, sighting, owner, user_id, holder)
    elif holder is not None:
        person, matched_by = _by_id(register, sighting, holder, withheld)
    elif user_id is not None or (claim.key is not None and withheld is None):
        person, matched_by = register.create(user_id, sighting.at), "created"
    else:
        return place_anonymously(register, sighting, withheld)
    if claim.key is not None:
        if withheld is None:
            register.take_email(person, claim.text or claim.key, claim.key, sighting.at)
        else:
            register.dispute("email_taken", person, withheld, sighting)
    elif claim.clears:
        register.clear_email(person, sighting.at)
    if sighting.kind == "identify":
        # Joining comes before the own traits: what the visitor said arrived earlier, and on equal times that counts.
        anonymous_id = sighting.anonymous_id
        if anonymous_id is not None and anonymous_id not in register.anonymous_links:
            register.join(anonymous_id, person, "identify", sighting)
        if sighting.traits:
            register.merge_traits(person, sighting.traits, sighting.at)
    elif sighting.kind == "group" and sighting.group_id is not None:
        register.add_to_group(person, sighting.group_id, sighting.at)
    placement = Placement(sighting, person, matched_by)
    register.see(person, placement)
    return placement


def place_anonymously(register: Register, sighting: Sighting, withheld: Person | None = None) -> Placement:
    """Place a message that has nothing but an anonymous id to go by, or not even that."""
    anonymous_id = sighting.anonymous_id
    if anonymous_id is None:
        if withheld is not None:
            return Placement(sighting, None, "none", "rejected", "public_email")
        return Placement(sighting, None, "none", "no_id")
    person = register.by_anonymous_id(anonymous_id)
    if person is None:
        _keep(register, sighting, anonymous_id)
        placement = Placement(sighting, None, "anonymous")
        register.wait(anonymous_id, placement)
        return placement
    if withheld is not None and withheld is not person:
        register.dispute("email_taken", person, withheld, sighting)
    # Rule 10 lets the public set traits of the user whose userId they carry. An anonymous id is less than that, unless
    # there is nothing more to know the user by.
    if sighting.trust == "server" or person.username is None:
        if sighting.kind == "identify":
            if sighting.email.clears:
                register.clear_email(person, sighting.at)
            if sighting.traits:
                register.merge_traits(person, sighting.traits, sighting.at)
        elif sighting.kind == "group" and sighting.group_id is not None:
            register.add_to_group(person, sighting.group_id, sighting.at)
    placement = Placement(sighting, person, "alias")
    register.see(person, placement)
    return placement


def _give_id(register: Register, sighting: Sighting, owner: Person, user_id: str, holder: Person | None) -> None:
    """Rule 4: the user found by e-mail gets the id if nobody has it; if somebody has, both stay and a human decides."""
    if holder is not None:
        register.dispute("email_and_id", owner, holder, sighting)
    elif owner.username is None:
        register.name(owner, user_id)
    else:
        register.link("user_id", user_id, owner, "email", sighting.message_id)


def _by_id(register: Register, sighting: Sighting, holder: Person, withheld: Person | None) -> tuple[Person, MatchedBy]:
    """Rule 4, end: an id that came by e-mail alone and now brings another e-mail that nobody owns gets a user."""
    user_id = sighting.user_id
    if user_id is None or holder.username == user_id:
        return holder, "username"
    if sighting.email.key is not None and withheld is None:
        link = register.user_links[user_id]
        if link.how == "email" and holder.email_key != sighting.email.key:
            return register.split(link, sighting.at), "created"
    return holder, "alias"


def _keep(register: Register, sighting: Sighting, anonymous_id: str) -> None:
    """Remember what is said about somebody who may join a user one day."""
    if sighting.kind == "identify" and sighting.traits:
        register.tell_visitor(anonymous_id, sighting.traits, sighting.at)
    elif sighting.kind == "group" and sighting.group_id is not None:
        register.tell_visitor_group(anonymous_id, sighting.group_id)
