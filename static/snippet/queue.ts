// $productFruits: calls from before we were there, and from pages written for Product Fruits.

import { guarded, type Undo } from "./edge";
import type { ProductFruits, QueuedCall, UserData } from "./snippet";

export function drainQueue(name: string, us: ProductFruits, workspace: (key: string, language?: string) => void): Undo {
  const page = window as unknown as Record<string, unknown>;
  const waiting = page[name];
  const run = guarded((call: QueuedCall) => {
    const [what, ...given] = [...call] as [string, ...unknown[]];
    switch (what) {
      case "init":
        workspace(given[0] as string, given[1] as string | undefined);
        return us.init(given[2] as UserData | undefined);
      case "identify":
      case "identifyUser":
      case "updateUserData":
        return us.identify(given[0] as UserData);
      case "consent":
        return us.consent(Boolean(given[0]));
      case "reset":
        return us.reset();
      case "safeExec":
        return us.safeExec(given[0] as () => void);
    }
  });
  const queue = { push: (...calls: QueuedCall[]) => calls.forEach(run) };
  page[name] = queue;
  if (Array.isArray(waiting)) queue.push(...waiting);
  return () => {
    if (page[name] === queue) page[name] = [];
  };
}
