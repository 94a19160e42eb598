// Addresses in rules. The service has the same rule in productfruits/adoption/urls.py; tests/vectors/url_rules.json holds both.

export type UrlOp = "is" | "contains" | "glob";

/** Whether the address of a page is what a rule speaks of. A part that the rule does not write is not looked at. */
export function urlMatches(op: UrlOp, value: string, url: string): boolean {
  if (op === "contains") return url.includes(value);
  const [address = "", ...more] = parts(value);
  const [whole = "", ...rest] = parts(url);
  const found = value.startsWith("/") ? whole.replace(/^.*?:\/\/[^/]*/, "") || "/" : whole;
  const fits = op === "is" ? plain(address) === plain(found) : glob(address, found);
  const compare = (one: string, other: string) => (op === "is" ? one === other : glob(one, other));
  return fits && more.every((part, index) => part === undefined || compare(part, rest[index] ?? ""));
}

/** Address, query and fragment; undefined where there is not even the mark. */
function parts(url: string): (string | undefined)[] {
  return /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(url)?.slice(1) ?? [];
}

/** A slash at the end says nothing. */
function plain(part: string): string {
  return part.replace(/\/$/, "");
}

function glob(pattern: string, text: string): boolean {
  const [first = "", ...others] = pattern.split("*");
  const last = others.pop();
  if (last === undefined) return pattern === text;
  let at = first.length;
  const isNext = (piece: string) => {
    const found = text.indexOf(piece, at);
    at = found + piece.length;
    return found >= 0;
  };
  return text.startsWith(first) && others.every(isNext) && text.length - last.length >= at && text.endsWith(last);
}
