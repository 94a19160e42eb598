// "Why not shown?": the service's gates, and after them the page's, in the same words.

import type { Answer, Content, Gate, Leaf } from "./content";
import type { GateReport } from "./snippet";

export interface Seen {
  held(content: Content): Leaf | null;
  /** What shows instead; null when it is this content's turn. */
  instead(content: Content): { code: string; what: string } | null;
}

export function explain(answer: Answer, seen: Seen): GateReport[] {
  return (answer.why ?? []).map(({ key, kind, name, gates }) => {
    const content = answer.contents.find((each) => each.key === key && each.kind === kind);
    const add = (gate: string, code: string | null, what = ""): Gate => {
      if (!code) return { gate, passed: true };
      const text = (answer.reasons?.[code]?.text ?? code).replace("{what}", what);
      return { gate, passed: false, code, text };
    };
    const more: Gate[] = [];
    if (content) {
      const leaf = seen.held(content);
      const other = seen.instead(content);
      more.push(
        add("page", leaf && leaf.kind, leaf ? inWords(leaf) : ""),
        add("manual", content.start === "manual" ? "starts_by_api_only" : null),
        add("turn", other && other.code, other?.what),
      );
    }
    return { key, kind: kind as GateReport["kind"], name, gates: [...gates, ...more] };
  });
}

export function noConsent(): GateReport[] {
  const text = "The page waits for the user's consent before it shows anything. Call productFruits.consent(true) once it is given.";
  return [{ key: "*", kind: "tour", name: "*", gates: [{ gate: "consent", passed: false, code: "no_consent", text }] }];
}

export function print(reports: GateReport[]): void {
  for (const { kind, name, gates } of reports) {
    const stopped = gates.filter((gate) => !gate.passed);
    console.info(`${stopped.length ? "✗" : "✓"} ${kind} ${name}`, ...stopped.map((gate) => `\n  ${gate.gate}: ${gate.text}`));
  }
}

function inWords(leaf: Leaf): string {
  if (leaf.kind === "element") return `${leaf.selector} ${leaf.present ? "is not there" : "is there"}`;
  return `${leaf.kind.replace("_", " ")} ${"op" in leaf ? leaf.op.replace("_", " ") : "is"} ${leaf.value}`;
}
