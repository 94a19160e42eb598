// "Why not shown?": the service's gates, and after them those that only the page knows.

import type { Answer, Content, Gate, Rule } from "./content";
import type { GateReport } from "./snippet";

/** `held`: what in the page keeps a content from showing. `instead`: what shows, where it is another's turn. */
export function explain(
  { why = [], contents, reasons = {} }: Answer,
  held: (content: Content) => Rule | null,
  instead: (content: Content) => string | undefined,
): GateReport[] {
  const judge = (gate: string, code: string, what: unknown): Gate =>
    what
      ? { gate, passed: false, code, text: (reasons[code]?.text ?? code).replace("{what}", JSON.stringify(what)) }
      : { gate, passed: true };
  return why.map((report) => {
    const content = contents.find(({ key, kind }) => key === report.key && kind === report.kind);
    if (!content) return report;
    const rule = held(content);
    const page = judge("page", rule && "kind" in rule ? rule.kind : "url", rule);
    return { ...report, gates: [...report.gates, page, judge("turn", "another_showing", instead(content))] };
  });
}

export function print(reports: GateReport[]): void {
  for (const { kind, name, gates } of reports) {
    const closed = gates.filter(({ passed }) => !passed).map(({ gate, code, text }) => `\n${gate}: ${text ?? code}`);
    console.info(`${closed[0] ? "✗" : "✓"} ${kind} ${name}`, ...closed);
  }
}
