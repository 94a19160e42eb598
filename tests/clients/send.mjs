// Sends with the released @segment/analytics-node: node send.mjs HOST WRITE_KEY
import { Analytics } from "@segment/analytics-node";

const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host, flushAt: 20 });
const failures = [];
analytics.on("error", (error) => failures.push(String(error.reason ?? error.code)));

analytics.identify({ userId: "node-1", traits: { email: "Node.User@Example.com", name: "Nöde", plan: null, big: 1e21 } });
analytics.track({ anonymousId: "node-anon", event: "Landed", properties: { text: "lone \ud83d surrogate" } });
analytics.track({ userId: "node-1", event: "Order Completed", properties: { total: 19.99 } });
analytics.page({ userId: "node-1", name: "Intro", category: "Docs" });
analytics.screen({ userId: "node-1", name: "Home" });
analytics.group({ userId: "node-1", groupId: "g-1", traits: { name: "Initech" } });
analytics.alias({ userId: "node-1", previousId: "node-anon" });
await analytics.closeAndFlush();
process.stdout.write(JSON.stringify(failures));
