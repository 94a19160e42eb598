// Addresses in rules. The service has the same rule in productfruits/adoption/urls.py; tests/vectors/url_rules.json holds both.

export type UrlOp = "is" | "contains" | "glob";

/** Whether the address of a page is what a rule speaks of. A part that the rule does not write is not looked at. */
export function urlMatches(op: UrlOp, value: string, url: string): boolean {
  if (op === "contains") return url.includes(value);
  const compare = op === "is" ? (one: string, other: string) => one === other : glob;
  const [address, ...more] = parts(value);
  const [whole, ...rest] = parts(url);
  const found = value.startsWith("/") ? pathOf(whole) : whole;
  const fits = op === "is" ? plain(address) === plain(found) : glob(address, found);
  return fits && more.every((part, index) => part === null || compare(part, rest[index] ?? ""));
}

function parts(url: string): [string, string | null, string | null] {
  const [rest, fragment] = cut(url, "#");
  const [address, query] = cut(rest, "?");
  return [address, query, fragment];
}

function cut(text: string, mark: string): [string, string | null] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function pathOf(address: string): string {
  const host = address.indexOf("://");
  if (host < 0) return address;
  const slash = address.indexOf("/", host + 3);
  return slash < 0 ? "/" : address.slice(slash);
}

/** A slash at the end says nothing. */
function plain(part: string): string {
  return part.endsWith("/") ? part.slice(0, -1) : part;
}

function glob(pattern: string, text: string): boolean {
  const [first = "", ...others] = pattern.split("*");
  const last = others.pop();
  if (last === undefined) return pattern === text;
  const end = text.length - last.length;
  let at = first.length;
  if (!text.startsWith(first) || end < at || !text.endsWith(last)) return false;
  for (const piece of others) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
