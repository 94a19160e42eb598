// Ids of events and sessions: UUID version 7, which begin with the time, so that the service knows which is newer.

let last = 0;

/** Milliseconds since 1970, never the same twice: what happened in this page has an order. */
export function instant(): number {
  last = Math.max(Date.now(), last + 1);
  return last;
}

export function uuid(at = instant()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = at.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
