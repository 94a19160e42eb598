// "Why not shown?": the service's gates, and after them the page's, in the same words.

import type { Answer, Content, Gate, Rule } from "./content";
import type { GateReport } from "./snippet";

/** `held`: what in the page keeps a content from showing. `instead`: what shows, where it is another's turn. */
export function explain(
  answer: Answer,
  held: (content: Content) => Rule | null,
  instead: (content: Content) => string | undefined,
): GateReport[] {
  const judge = (gate: string, code: string | false | null | undefined, what: unknown = ""): Gate => {
    if (!code) return { gate, passed: true };
    const said = answer.reasons?.[code]?.text ?? code;
    return { gate, passed: false, code, text: said.replace("{what}", typeof what === "string" ? what : JSON.stringify(what)) };
  };
  return (answer.why ?? []).map((report) => {
    const content = answer.contents.find(({ key, kind }) => key === report.key && kind === report.kind);
    if (!content) return report;
    const rule = held(content);
    const other = instead(content);
    return {
      ...report,
      gates: [
        ...report.gates.filter(({ gate }) => !/page|manual|turn/.test(gate)),
        judge("page", rule && ("kind" in rule ? rule.kind : "url"), rule),
        judge("manual", content.start === "manual" && "starts_by_api_only"),
        judge("turn", other && "another_showing", other),
      ],
    };
  });
}

export function print(reports: GateReport[]): void {
  for (const { kind, name, gates } of reports) {
    const closed = gates.filter(({ passed }) => !passed).map(({ gate, text }) => `\n${gate}: ${text}`);
    console.info(`${closed[0] ? "✗" : "✓"} ${kind} ${name}`, ...closed);
  }
}
