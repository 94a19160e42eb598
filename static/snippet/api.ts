// The service. The only module that sends anything over the network; viewfile.ts has the browser load a file.

import type { Answer } from "./content";
import { pause } from "./edge";

export interface Asked {
  workspace: string;
  username?: string | undefined;
  anonymous_id?: string | undefined;
  hash?: string | undefined;
  expiration?: string | undefined;
}

const RETRIES = 3;
const TIMEOUT_MS = 10_000;

/** The service's refusal: asking again the same way would be refused again. */
export class Refused extends Error {}

export interface Api {
  content(asked: Asked, more?: Record<string, string>): Promise<Answer>;
  send(asked: Asked, messages: object[]): Promise<unknown>;
  /** For the end of a page: the browser delivers when the page is gone. */
  leave(asked: Asked, messages: object[]): Promise<unknown>;
}

export function openApi(host: string): Api {
  const events = `${host}/browser/v1/events`;
  const body = (asked: Asked, messages: object[]) =>
    JSON.stringify({ ...asked, sent_at: new Date().toISOString(), messages });
  return {
    async content(asked, more) {
      const query = new URLSearchParams(Object.entries({ ...asked, ...more }).filter(([, value]) => value) as string[][]);
      // No header of ours and no cookie: no preflight, and the browser itself asks by ETag.
      return (await insist(() => request(`${host}/browser/v1/content?${query}`))).json();
    },
    async send(...given) {
      // To its end: an answer that nobody reads stays open.
      const options = { method: "POST", body: body(...given), keepalive: true };
      return (await insist(() => request(events, options))).text();
    },
    async leave(...given) {
      navigator.sendBeacon(events, body(...given));
    },
  };
}

/** Tries up to four times; between them 1, 2, 4 seconds, each up to twice as long, so that pages do not come in step. */
export async function insist<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tried = 0; ; tried++) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof Refused || tried === RETRIES) throw error;
    }
    await pause(1000 * 2 ** tried * (1 + Math.random()));
  }
}

async function request(address: string, options?: RequestInit): Promise<Response> {
  const answer = await fetch(address, { ...options, credentials: "omit", signal: AbortSignal.timeout?.(TIMEOUT_MS) });
  if (answer.ok) return answer;
  const { status } = answer;
  throw status < 500 && status !== 429 && status !== 408 ? new Refused() : new Error();
}
