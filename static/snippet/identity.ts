// Who uses the page: what init() and identify() say, else what window.analytics says, else an anonymous visitor.

import type { Known } from "./analytics";
import type { Asked } from "./api";
import type { Text } from "./content";
import type { Store } from "./store";
import type { UserData } from "./snippet";
import { uuid } from "./uuid";

export interface Identity {
  /** As the service is asked. */
  asked(): Asked;
  traits(): Text;
  /** The page's own word for it, which goes before the library's until reset(). True when this is news. */
  say(user: UserData): boolean;
  hear(known: Known): boolean;
  reset(): void;
  isKnown(): boolean;
}

export function openIdentity(store: Store, workspace: () => string): Identity {
  let said: UserData | null = null;
  let heard: Known | null = null;

  const username = () => (said ? text(said.username) : text(heard?.id));
  const visitor = () => {
    if (heard?.anonymousId) return heard.anonymousId;
    let own = store.read<string>("visitor");
    if (!own) store.write("visitor", (own = uuid()));
    return own;
  };
  const print = () => JSON.stringify([username(), visitor(), said?.hmac, traits()]);
  const traits = () => (said ? traitsOf(said) : (heard?.traits ?? {}));
  const isNews = (change: () => void) => {
    const before = print();
    change();
    return print() !== before;
  };

  return {
    asked: () => ({
      workspace: workspace(),
      username: username(),
      anonymous_id: visitor(),
      hash: text(said?.hmac?.hash),
      expiration: text(said?.hmac?.expiration),
    }),
    traits,
    // Data is updated, never dropped by absence, unless it is somebody else's.
    say: (user) => isNews(() => (said = said?.username === user.username ? { ...said, ...user } : user)),
    hear: (known) => isNews(() => (heard = known)),
    reset() {
      said = heard = null;
      store.write("visitor", null);
    },
    isKnown: () => Boolean(said ?? heard),
  };
}

/** What Product Fruits calls a user, as the traits that Segment would send. */
export function traitsOf({ username: _, hmac: __, group: ___, props, ...named }: UserData): Text {
  return { ...props, ...named };
}

function text(id: unknown): string | undefined {
  return typeof id === "string" || typeof id === "number" ? `${id}`.trim() || undefined : undefined;
}
