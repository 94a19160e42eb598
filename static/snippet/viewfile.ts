// What draws is a file of its own, fetched once something is to be shown: most pages show nothing and never load it.

import { insist, Refused } from "./api";
import { guarded, together, type Undo } from "./edge";
import type * as File from "./view/main";
import type { Panel } from "./view/panel";
import type { Stage } from "./view/stage";

/** The file's address below the service's, and what it must say of itself: scripts/build.mjs knows. */
declare const VIEW_FILE: string;
declare const BUILD: string;

type Given<F> = F extends (stage: Stage, ...given: infer A) => unknown ? A : never;

export interface View {
  /** Whether what is shown appears at once, and not only when the file has come. */
  isReady(): boolean;
  /** Fetches the file and calls when it is there. */
  prepare(done: () => void): void;
  card(...given: Given<typeof File.showCard>): Undo;
  panel(...given: Given<typeof File.showPanel>): Panel;
  /** The same, standing in an element of the page. */
  inside(element: Element): View;
  undo: Undo;
}

export function openView(host: string, nonce: string): View {
  let file: typeof File | null = null;
  let isAsking = false;
  let number = 0;
  const waiting = new Set<() => void>();

  // The nonce of our own tag goes along, and no policy for Trusted Types is asked. Not every browser asks again for an
  // address that has failed (https://github.com/whatwg/html/issues/6768); with another fragment it is another one.
  const load = async () => {
    if (!waiting.size) throw new Refused();
    return import(`${host}/${VIEW_FILE}#${number++}`) as Promise<typeof File>;
  };
  const fetchFile = async () => {
    if (isAsking) return;
    isAsking = true;
    const come = await insist(load).catch(() => null);
    if (!come) isAsking = false;
    // Pages keep our first file for a while. A second one of another build need not fit it: the next page has both.
    if (come?.build !== BUILD) return;
    file = come;
    for (const work of [...waiting]) guarded(work)();
    waiting.clear();
  };
  /** At once or when the file is there, unless it was undone before. */
  const whenThere = (work: () => void): Undo => {
    if (file) work();
    else {
      waiting.add(work);
      void fetchFile();
    }
    return () => waiting.delete(work);
  };

  const place = (element?: Element): View => {
    let stage: Stage | null = null;
    const stand = () => (stage ??= (file as typeof File).openStage(nonce, element));
    const draw = (work: () => Undo): Undo => {
      let undo: Undo = () => {};
      return together(
        () => undo(),
        whenThere(() => (undo = work())),
      );
    };
    return {
      isReady: () => Boolean(file),
      prepare: (done) => void whenThere(done),
      card: (...given) => draw(() => (file as typeof File).showCard(stand(), ...given)),
      panel(...given) {
        let panel: Panel | undefined;
        const undo = draw(() => (panel = (file as typeof File).showPanel(stand(), ...given)).undo);
        return { draw: () => panel?.draw(), undo };
      },
      inside(within) {
        // Nothing, but it throws now where that is no element, while only the call that gave it is waiting.
        within.append();
        return place(within);
      },
      undo() {
        // Nobody waits any more, and the file may still come.
        if (!element) waiting.clear();
        stage?.undo();
        stage = null;
      },
    };
  };
  return place();
}
