// What a user's state says of the items of a checklist.

import type { Checklist, Item, State } from "./content";

export function isLocked(checklist: Checklist, { items }: State, item: Item): boolean {
  const before = checklist.items.slice(0, checklist.items.indexOf(item));
  return checklist.order === "ordered" && before.some(({ id }) => !items?.[id]);
}

export function doneCount(checklist: Checklist, { items }: State): number {
  return checklist.items.filter(({ id }) => items?.[id]).length;
}
