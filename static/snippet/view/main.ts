// The second file: all that draws. The first one fetches it once something is to be shown (viewfile.ts).

export { showCard } from "./card";
export { showPanel } from "./panel";
export { openStage } from "./stage";

/** Of one build with the file that asks for it, or not to be used by it. */
declare const BUILD: string;
export const build = BUILD;
