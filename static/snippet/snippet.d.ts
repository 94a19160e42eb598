/** Types of the snippet of productfruits. Put this file beside your sources; it declares the globals and exports the types. */

export type RawName =
  | "tour_started"
  | "tour_step_viewed"
  | "tour_step_completed"
  | "tour_completed"
  | "tour_dismissed"
  | "tour_snoozed"
  | "tour_resumed"
  | "tour_target_missing"
  | "checklist_viewed"
  | "checklist_started"
  | "checklist_item_clicked"
  | "checklist_item_completed"
  | "checklist_completed"
  | "checklist_dismissed";

export type TraitValue = string | number | boolean | null | TraitValue[] | { [name: string]: TraitValue };

export interface UserData {
  /** The id of the user in your product; the same that Segment calls userId. */
  username: string;
  email?: string;
  firstname?: string;
  lastname?: string;
  role?: string;
  /** ISO 8601. */
  signUpAt?: string;
  props?: Record<string, TraitValue>;
  /** Stored as by a group call of Segment's: the user is in it, and these are its traits. */
  group?: { groupId: string; props?: Record<string, TraitValue> };
  /** Made on your server. `expiration` in seconds since 1970, when the hash covers one. */
  hmac?: { hash: string; expiration?: number | string };
}

export interface EventProperties {
  id: number;
  content_type: "tour" | "checklist";
  content_key: string;
  content_name: string;
  version: number;
  session_id: string | null;
  raw_name: RawName;
  event_id: string;
  page_url: string;
  page_path: string;
  locale: string;
  is_preview: boolean;
  source: "productfruits";
  [name: string]: unknown;
}

/** `detail` of the events productfruits:<raw name> on window. */
export interface EventDetail {
  name: string;
  properties: EventProperties;
}

export interface TourInfo {
  id: number;
  key: string;
  name: string;
  state: "not_finished" | "finished" | "skipped";
  isRunning: boolean;
  currentCard: { id: string; name: string } | null;
}

export interface ChecklistInfo {
  id: number;
  key: string;
  name: string;
  state: "not_touched" | "in_progress" | "finished" | "disposed";
  items: { internalId: string; name: string; state: "done" | "open" | "tbd" }[];
}

/** A tour or checklist by its number or its key. */
export type ContentId = number | string;

export interface GateReport {
  key: string;
  kind: "tour" | "checklist";
  name: string;
  gates: { gate: string; passed: boolean; code?: string; text?: string }[];
}

export interface ProductFruits {
  /** Says who uses the page; without an argument the page waits for window.analytics. */
  init(user?: UserData): void;
  identify(user: UserData): void;
  identifyUser(user: UserData): void;
  /** At logout. */
  reset(): void;
  /** The user's answer, for pages with data-consent="required" or with Do Not Track. */
  consent(given: boolean): void;
  /** Calls once everything has been loaded, at once if it has. */
  safeExec(work: () => void): void;
  /** Why each content shows or does not, gate by gate; prints it, too. */
  debug(): Promise<GateReport[]>;
  /** Takes everything of ours out of the page. */
  destroy(): void;
  readonly version: string;
  readonly api: {
    readonly tours: {
      getTours(): TourInfo[];
      /** False where the rules do not allow it. */
      tryStartTour(id: ContentId): boolean;
      markAs(id: ContentId, state: "finished" | "skipped"): boolean;
      advanceToNextStep(id: ContentId): boolean;
      goToStep(id: ContentId, stepId: string): boolean;
      isTourEligible(id: ContentId): Promise<"eligible" | "not_eligible">;
      listen(event: "tour-finished" | "tour-skipped", heard: (id: number) => void): () => void;
      listen(event: "tour-advanced", heard: (id: number, more: { currentCardId: string }) => void): () => void;
      listen(event: RawName, heard: (id: number, properties: EventProperties) => void): () => void;
    };
    readonly checklists: {
      getChecklists(): ChecklistInfo[];
      /** An item by its id, or by "checklist key/item id" where several checklists have it. */
      markItemAsDone(internalId: string, expand?: boolean): boolean;
      /** Shows it and opens it, also after it was dismissed or completed. */
      open(id: ContentId): boolean;
      close(id: ContentId): void;
      /**
       * Shows it inside an element of the page, open and instead of its launcher. With checkEligibility false also if it
       * would not start by itself. Returns its undo.
       */
      injectToElement(id: ContentId, element: Element, options?: { checkEligibility?: boolean }): () => void;
      /** The user or visitor begins it anew, here and on every device. False where there is no such checklist for them. */
      resetForCurrentUser(id: ContentId): boolean;
      isChecklistEligible(id: ContentId): Promise<"eligible" | "not_eligible">;
      listen(event: RawName, heard: (id: number, properties: EventProperties) => void): () => void;
    };
    readonly events: {
      /** An event of your product; with forwardToIntegrations to window.analytics, too. */
      track(name: string, attributes?: object, options?: { forwardToIntegrations?: boolean }): void;
    };
    readonly analytics: {
      /** Hands each of our events to other tools. */
      forwardEvent(heard: (name: string, properties: EventProperties) => void): () => void;
    };
  };
}

/** Calls from before the snippet was there. */
export type QueuedCall =
  | ["init", string, string?, UserData?, object?]
  | ["identifyUser" | "identify" | "updateUserData", UserData]
  | ["consent", boolean]
  | ["reset"]
  | ["safeExec", () => void];

declare global {
  interface Window {
    productFruits?: ProductFruits;
    $productFruits?: { push(...calls: QueuedCall[]): unknown };
    /** Called once everything is loaded. */
    productFruitsReady?: () => void;
    productFruitsIsReady?: boolean;
  }
}
