// $productFruits: calls from before we were there, and from pages written for Product Fruits.

import { guarded, type Undo } from "./edge";
import type { ProductFruits, QueuedCall, UserData } from "./snippet";

export function drainQueue(name: string, us: ProductFruits, workspace: (key: string, language?: string) => void): Undo {
  const page = window as unknown as Record<string, unknown>;
  const waiting = page[name];
  const run = guarded((call: QueuedCall) => {
    // An array, or the `arguments` of a stub.
    const [what, ...given] = [...call] as [string, ...never[]];
    if (what === "init") {
      workspace(given[0] as unknown as string, given[1]);
      us.init(given[2]);
    } else us[what === "updateUserData" ? "identify" : (what as "identify")]?.(...(given as unknown as [UserData]));
  });
  const queue = { push: (...calls: QueuedCall[]) => calls.forEach(run) };
  page[name] = queue;
  if (Array.isArray(waiting)) queue.push(...waiting);
  return () => {
    if (page[name] === queue) page[name] = [];
  };
}
