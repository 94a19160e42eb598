// Messages on their way to the service: one request for what happens at about the same time, nothing lost at a page's end.

import { type Api, type Asked, Refused } from "./api";
import { listen, settled, together, type Undo } from "./edge";
import type { Store } from "./store";

interface Waiting {
  from: Asked;
  message: object;
}

export interface Outbox {
  put(from: Asked, message: object): void;
  /** Sends what is waiting. Resolves when it has arrived, rejects when the service is away. */
  flush(): Promise<void>;
  undo: Undo;
}

const GATHER_MS = 150;
/** So few that a batch stays below the 64 KiB that browsers let a page leave behind. */
const BATCH = 50;
const KEPT = 200;

export function openOutbox(api: Api, store: Store): Outbox {
  let waiting: Waiting[] = store.read<Waiting[]>("outbox") ?? [];
  let sending: Promise<void> | null = null;
  const pause = settled(GATHER_MS, () => flush().catch(() => {}));

  /** The first messages of one user. */
  const batch = () => waiting.slice(0, BATCH).filter(({ from }) => from.username === waiting[0]?.from.username);
  const hand = (sent: Waiting[], by: Api["send"]) =>
    by(
      sent[0]?.from as Asked,
      sent.map(({ message }) => message),
    );
  const drain = async () => {
    while (waiting.length) {
      const sent = batch();
      // Refused once is refused again; what only could not arrive waits for the next occasion.
      await hand(sent, api.send).catch((error) => {
        if (!(error instanceof Refused)) throw error;
      });
      waiting = waiting.filter((each) => !sent.includes(each));
    }
    store.write("outbox", null);
  };
  const flush = () => (sending ??= drain().finally(() => (sending = null)));
  const leave = () => {
    pause.undo();
    if (!waiting.length) return;
    // Whether it arrives is never told, so the next page sends it once more: ids make it count once.
    store.write("outbox", waiting);
    hand(batch(), api.leave);
  };
  if (waiting.length) pause.soon();

  return {
    put(from, message) {
      waiting.push({ from, message });
      waiting = waiting.slice(-KEPT);
      pause.soon();
    },
    flush,
    undo: together(
      listen(window, "pagehide", leave),
      listen(document, "visibilitychange", () => document.visibilityState === "hidden" && leave()),
      pause.undo,
    ),
  };
}
