// The edge to the host's page: nothing of ours that the browser calls may throw there, and everything can be undone.

export type Undo = () => void;

let warned = false;

/** One line in the console a page, whatever happens how often: the console is the host's. */
export function warn(said: unknown): void {
  if (warned) return;
  warned = true;
  console.warn("[productfruits]", said);
}

/** `work`, with the one `try` of the snippet around it. */
export function guarded<A extends unknown[], R>(work: (...given: A) => R): (...given: A) => R | undefined {
  return (...given) => {
    try {
      const done = work(...given);
      if (done instanceof Promise) done.catch(warn);
      return done;
    } catch (error) {
      warn(error);
      return undefined;
    }
  };
}

export function listen<E extends Event = Event>(
  target: EventTarget,
  types: string,
  heard: (event: E) => unknown,
  options: AddEventListenerOptions | boolean = false,
): Undo {
  const safe = guarded(heard) as EventListener;
  const names = types.split(" ");
  for (const name of names) target.addEventListener(name, safe, options);
  return () => {
    for (const name of names) target.removeEventListener(name, safe, options);
  };
}

/** Calls once, in so many milliseconds. */
export function later(ms: number, work: () => unknown): Undo {
  const timer = setTimeout(guarded(work), ms);
  return () => clearTimeout(timer);
}

export function pause(ms: number): Promise<void> {
  return new Promise((goOn) => setTimeout(goOn, ms));
}

/** Waits until it has been left in peace for so long, then calls once. */
export function settled(ms: number, work: () => unknown): { soon: () => void; undo: Undo } {
  let cancel: Undo = () => {};
  const soon = () => {
    cancel();
    cancel = later(ms, work);
  };
  return { soon, undo: () => cancel() };
}

/** One undo of many, the last first; calling it again does nothing. What is false or null is left out. */
export function together(...undos: (Undo | false | null)[]): Undo {
  return () => {
    for (const undo of undos.splice(0).reverse()) if (undo) guarded(undo)();
  };
}
