// What happened, told to everybody: window.analytics, our own store, the page's listeners. One id wherever it is told.

import type { Content, Message } from "./content";
import { guarded, type Undo } from "./edge";
import type { Service } from "./service";
import type { EventProperties, RawName } from "./snippet";
import { instant, uuid } from "./uuid";

/** Event -> the properties that it carries, one after the other; scripts/build.mjs takes them from productfruits/adoption/vocabulary.json. */
declare const VOCABULARY: Record<RawName, string>;

export type Facts = Record<string, unknown>;
export type Heard = (raw: RawName, name: string, properties: EventProperties) => void;

export interface Reporter {
  /** `facts`: what is known; the vocabulary says which of it the event carries. */
  report(raw: RawName, content: Content, session: string | null, facts: Facts): void;
  /** Hands on what the service found out itself, under the id that it has. */
  repeat(message: Message): void;
  listen(heard: Heard): Undo;
}

export function openReporter(service: () => Service | null, isPreview: boolean): Reporter {
  const listeners = new Set<Heard>();
  const tell = (message: Message) => {
    const { put, settings, analytics } = service() ?? {};
    put?.(message);
    const { to_segment, event_names = {} } = settings?.() ?? {};
    const raw = message.event as RawName;
    const renamed = event_names[raw];
    // tour_step_viewed -> Tour Step Viewed
    const name = renamed ?? raw.replace(/_/g, " ").replace(/\b./g, (first) => first.toUpperCase());
    // A copy: what they do to it is theirs.
    const properties = { ...message.properties } as EventProperties;
    // Where the workspace has no name for it, it is not for Segment.
    if (to_segment && renamed !== null) analytics?.track(name, properties, message.event_id, message.timestamp);
    for (const heard of [...listeners]) guarded(heard)(raw, name, properties);
    window.dispatchEvent(new CustomEvent(`productfruits:${raw}`, { detail: { name, properties } }));
  };
  return {
    report(raw, content, session, facts) {
      const at = instant();
      const event_id = uuid(at);
      const properties: EventProperties = {
        id: content.id,
        content_type: content.kind,
        content_key: content.key,
        content_name: content.name,
        version: content.version,
        session_id: session,
        raw_name: raw,
        event_id,
        page_url: location.href,
        page_path: location.pathname,
        locale: content.language,
        is_preview: isPreview,
        source: "productfruits",
      };
      for (const name of VOCABULARY[raw].split(" ")) properties[name] = facts[name];
      tell({ type: "track", event_id, event: raw, timestamp: new Date(at).toISOString(), properties });
    },
    repeat: tell,
    listen(heard) {
      listeners.add(heard);
      return () => listeners.delete(heard);
    },
  };
}
