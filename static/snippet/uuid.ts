// Ids of events and sessions: UUID version 7, which begin with the time, so that the service knows which is newer.

let last = 0;

/** Milliseconds since 1970, never the same twice: what happened in this page has an order. */
export function instant(): number {
  last = Math.max(Date.now(), last + 1);
  return last;
}

export function uuid(at = instant()): string {
  // Twelve digits until the year 2527.
  const time = [...`0${at.toString(16)}`];
  const random = () => ((crypto.getRandomValues(new Uint8Array(1))[0] as number) & 15).toString(16);
  return "xxxxxxxx-xxxx-7xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => time.shift() ?? random());
}
