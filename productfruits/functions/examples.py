"""What a new function begins with: small functions that do one common thing well."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from productfruits.functions.definitions import API_KEY, Definition

URL: Final[Definition] = {**API_KEY, "key": "url", "label": "URL", "description": "Where events are posted to."}


@dataclass(frozen=True, slots=True)
class Example:
    title: str
    about: str
    kind: str
    handlers: tuple[str, ...]
    code: str
    settings: tuple[Definition, ...] = (API_KEY,)


SLACK: Final = Example(
    "Slack message",
    "Posts a line to a channel for each event.",
    "destination",
    ("onTrack",),
    """// Posts to a Slack channel. The setting `url` is the address of an incoming webhook.
async function onTrack(event, settings) {
  const who = event.userId || event.anonymousId
  await post(settings.url, { text: `${who}: ${event.event}` })
}

async function post(url, message) {
  let response
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(message)
    })
  } catch (error) {
    throw new RetryError(error.message) // nobody answered: try again later
  }
  if (response.status >= 500 || response.status === 429) {
    throw new RetryError(`Slack answered ${response.status}`)
  }
  if (!response.ok) throw new Error(`Slack answered ${response.status}: ${await response.text()}`)
}
""",
    (URL,),
)
POST: Final = Example(
    "Generic POST",
    "Sends each event as JSON to an address of yours.",
    "destination",
    ("onIdentify", "onTrack", "onPage", "onScreen", "onGroup", "onAlias"),
    """// Sends every event as it is, with the settings merged into it.
async function send(event, settings) {
  let response
  try {
    response = await fetch(settings.url, {
      method: 'POST',
      headers: { Authorization: `Bearer ${settings.apiKey}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(event)
    })
  } catch (error) {
    throw new RetryError(error.message)
  }
  if (response.status >= 500 || response.status === 429) {
    throw new RetryError(`The receiver answered ${response.status}`)
  }
  if (!response.ok) throw new InvalidEventPayload(`The receiver answered ${response.status}`)
}

async function onIdentify(event, settings) { await send(event, settings) }
async function onTrack(event, settings) { await send(event, settings) }
async function onPage(event, settings) { await send(event, settings) }
async function onScreen(event, settings) { await send(event, settings) }
async function onGroup(event, settings) { await send(event, settings) }
async function onAlias(event, settings) { await send(event, settings) }
""",
    (URL, API_KEY),
)
FILTER: Final = Example(
    "Filter personal data",
    "Sends events on without e-mail addresses, names and IP addresses.",
    "destination",
    ("onIdentify", "onTrack"),
    """// Removes personal data before an event leaves.
const PERSONAL = ['email', 'name', 'firstName', 'lastName', 'phone', 'address']

function withoutPersonalData(event) {
  return {
    ...event,
    userId: event.userId && crypto.createHash('sha256').update(event.userId).digest('hex'),
    traits: _.omit(event.traits, PERSONAL),
    properties: _.omit(event.properties, PERSONAL),
    context: _.omit(event.context, ['ip', 'traits'])
  }
}

async function send(event, settings) {
  const response = await fetch(settings.url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${settings.apiKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(withoutPersonalData(event))
  })
  if (response.status >= 500) throw new RetryError(`The receiver answered ${response.status}`)
}

async function onIdentify(event, settings) { await send(event, settings) }
async function onTrack(event, settings) { await send(event, settings) }
""",
    (URL, API_KEY),
)
ENRICH: Final = Example(
    "Enrich, then identify",
    "Looks up what another service knows about a user, and keeps it as traits.",
    "source",
    ("onRequest",),
    """// Takes { "id": …, "email": … }, asks another service about the e-mail address, and identifies the user.
async function onRequest(request, settings) {
  const { id, email } = request.json()
  if (!id || !email) throw new ValidationError('`id` and `email` are needed')

  const response = await fetch(`${settings.url}?email=${encodeURIComponent(email)}`, {
    headers: { Authorization: `Bearer ${settings.apiKey}` }
  })
  if (response.status >= 500) throw new RetryError(`The service answered ${response.status}`)
  const known = response.ok ? await response.json() : {}

  Segment.identify({ userId: id, traits: { email, ..._.pick(known, ['company', 'title', 'country']) } })
}
""",
    (URL, API_KEY),
)
WEBHOOK: Final = Example(
    "Webhook in, identify",
    "Turns the webhook of another tool into a user and an event.",
    "source",
    ("onRequest",),
    """// Takes { "id": …, "email": …, "action": … }, signed with the API key: x-signature is the HMAC of the body.
async function onRequest(request, settings) {
  const expected = crypto.createHmac('sha256', settings.apiKey).update(request.text()).digest('hex')
  const given = request.headers.get('x-signature') || ''
  if (given.length !== expected.length || !crypto.timingSafeEqual(Buffer.from(given), Buffer.from(expected))) {
    throw new ValidationError('The signature does not match')
  }

  const body = request.json()
  if (!body.id) throw new InvalidEventPayload('`id` is needed')
  Segment.identify({ userId: body.id, traits: { email: body.email } })
  Segment.track({ userId: body.id, event: body.action, properties: _.omit(body, ['id', 'email']) })
}
""",
)
EXAMPLES: Final[Mapping[str, Example]] = {
    "slack": SLACK,
    "post": POST,
    "filter": FILTER,
    "enrich": ENRICH,
    "webhook": WEBHOOK,
}


def shape(name: str, example: Example) -> dict[str, Any]:
    """The example as what `FunctionShape` loads."""
    return {"name": name, "kind": example.kind, "code": example.code, "settings": list(example.settings)}
