// A Segment destination function of the kind that Jitsu documents, and a call of each handler: node function.mjs HOST TOKEN
class RetryError extends Error {}

async function post(event, settings) {
  let response;
  try {
    response = await fetch(`${settings.host}/api/v1/segment`, {
      method: "POST",
      headers: { "X-Auth-Token": settings.apiKey, "Content-Type": "application/json" },
      body: JSON.stringify({ ...event, ...settings }),
    });
  } catch (error) {
    throw new RetryError(error.message);
  }
  if (response.status >= 500 || response.status === 429) throw new RetryError(`Failed with ${response.status}`);
  return response.json();
}

const handlers = {};
for (const type of ["Track", "Identify", "Group", "Page", "Screen", "Alias", "Delete"]) handlers[`on${type}`] = post;

const [host, apiKey] = process.argv.slice(2);
const at = new Date(Date.now() - 60_000).toISOString();
const common = { userId: "fn-1", timestamp: at, receivedAt: at, version: 2, integrations: {}, context: {} };
const events = [
  { ...common, type: "identify", traits: { email: "fn@example.com" } },
  { ...common, type: "track", event: "Signed Up", properties: { plan: "pro" } },
  { ...common, type: "group", groupId: "g-1", traits: {} },
  { ...common, type: "page", name: "Home", properties: {} },
  { ...common, type: "screen", name: "Home", properties: {} },
  { ...common, type: "alias", previousId: "fn-0" },
  { ...common, type: "delete", userId: "fn-2", context: null, integrations: null },
];
const answers = [];
for (const [index, event] of events.entries()) {
  const name = `on${event.type[0].toUpperCase()}${event.type.slice(1)}`;
  const answer = await handlers[name]({ ...event, messageId: `fn-${at}-${index}` }, { host, apiKey, region: "eu" });
  answers.push([answer.status, answer.accepted]);
}
process.stdout.write(JSON.stringify(answers));
