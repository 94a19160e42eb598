// Libraries that Segment offers and that are not here: whoever uses one is told so, and what to use instead.

const LIBRARIES: Record<string, string> = {
  AWS: "Call the service over HTTPS with fetch(), signed with crypto.createHmac().",
  google: "Call Google's REST API with fetch().",
  hubspotlib: "Call HubSpot's REST API with fetch().",
  jsforce: "Call Salesforce's REST API with fetch().",
  jsonwebtoken: "Sign with crypto.createHmac() or crypto.createSign().",
  nodemailjet: "Call Mailjet's REST API with fetch().",
  moment: "Use Date and Intl.DateTimeFormat.",
  OAuth: "Sign with crypto.createHmac().",
  sendgrid: "Call SendGrid's REST API with fetch().",
  skyflowlib: "Call Skyflow's REST API with fetch().",
  stripe: "Call Stripe's REST API with fetch().",
  twilio: "Call Twilio's REST API with fetch().",
  uuidv5: "Use crypto.createHash('sha1'), or crypto.randomUUID() for a random one.",
  winstonlib: "Use console.log().",
  xml: "Write XML as text.",
  xml2js: "Send JSON instead.",
  zlib: "Send plain bodies.",
  https: "Use fetch().",
  FormData: "Send JSON, or a URLSearchParams as the body.",
};

function absent(name: string, instead: string): object {
  const refuse = (): never => {
    throw new ReferenceError(`${name} is not offered by this server. ${instead}`);
  };
  return new Proxy(function () {}, {
    get: (_, key) => (typeof key === "symbol" || key === "then" ? undefined : refuse()),
    apply: refuse,
    construct: refuse,
  });
}

export const libraries: Record<string, object> = Object.fromEntries(
  Object.entries(LIBRARIES).map(([name, instead]) => [name, absent(name, instead)]),
);
