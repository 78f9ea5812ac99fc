// Types of client.js, which explains everything at length.

/** A status; "busy" is the strongest and "unavailable" the weakest when several protocols say different things. */
export type Status = "available" | "busy" | "away" | "unavailable";

/** What one protocol says of a user. Times are RFC 3339 texts. */
export interface Presence {
  status: Status;
  message: string;
  /** A word of RFC 4480 such as "meeting", "on-the-phone" or "vacation"; null: nobody has said. */
  activity: string | null;
  /** When the status, the message or the activity last changed. */
  since: string | null;
  /** When the user was last active; null: the user is active, or nobody has said. */
  idle_since: string | null;
  /** When it was last confirmed. */
  updated: string | null;
  /** Until when it holds if nobody repeats it; null: until it changes. */
  expires: string | null;
  /** The connection to the source is lost: perhaps this is no longer so. */
  stale: boolean;
}

/** What is known of a user. */
export interface User {
  /** The id: in lower case when watched, as it was asked when got. */
  user: string;
  status: Status;
  message: string;
  /** What the user is doing, from the protocol that decided. */
  activity: string | null;
  /** The protocol that decided; null: nobody knows the user. */
  by: string | null;
  /** Why that one. */
  reason: "unknown" | "only" | "precedence" | "strongest" | "latest" | "first";
  /** The entry of the site's precedence that decided, such as "manual" or "calendar:away"; null: none did. */
  rule: string | null;
  /** When the user was last active; null: the user is active, or nobody has said. */
  idle_since: string | null;
  /** What the answer becomes when something ends whose end is known, such as a meeting; null: no such end changes it. */
  next: { at: string; status: Status; by: string | null } | null;
  since: string | null;
  stale: boolean;
  /** Grows with each change of any user; 0: nobody knows the user. */
  revision: number;
  /** What people call the user, if the daemon's identities say so. */
  display_name: string | null;
  /** Others are shown the user as unavailable. Left out for them. */
  invisible?: true;
  /** What each protocol says, by its name, such as "xmpp", "spreed" or "manual". */
  protocols: Record<string, Presence>;
  /** With `explain=1` in the URL, which this module never sends: why the user is so, for people to read. */
  explanation?: string[];
  /** With `explain=1&viewer=ID` in the URL, which this module never sends. */
  visibility?: Visibility;
}

/** What a viewer sees of a user, and why. Only services are told. */
export interface Visibility {
  viewer: string;
  sees: "all" | "status" | "nothing";
  /** A rule says so; there are rules, and none matches; the viewer is the user; null: there are no rules. */
  reason: "rule" | "no rule" | "self" | null;
  /** The place of the rule in the key `visibility`, counted from 1; null: none decided. */
  rule: number | null;
  /** The user is invisible, so the viewer is shown the user as unavailable. Otherwise, and if the token's user does not see that, it is left out. */
  invisible?: true;
}

/** What the site offers people to set, beside the four statuses. */
export interface StatusEntry {
  /** What people read, and the message that it sets. */
  label: string;
  status: Status;
  activity: string | null;
  /** For how many seconds it holds; null: until it is changed. */
  for: number | null;
}

/** Who a token speaks for. */
export interface Me {
  /** null: the token is a static key. */
  user: string | null;
  key: string | null;
  display_name: string | null;
  /** Whether the user is a service: only services may watch everybody. */
  service: boolean;
  /** Until when the token holds; null: until somebody revokes it. */
  expires: string | null;
  status_entries: StatusEntry[];
}

/**
 * A token, or a function that fetches a fresh one: it is called with the one that the daemon did not take, if that is why. null: a proxy in front of the
 * daemon says who the user is.
 */
export type Token = string | ((rejected: string) => string | Promise<string>) | null;

export interface ConnectOptions {
  token: Token;
  /** Where the daemon is; else where the module was loaded from. */
  url?: string | URL;
}

export function connect(options: ConnectOptions): Connection;

export interface State {
  name: "idle" | "connecting" | "live" | "waiting" | "refused";
  /** Why it waits or was refused. */
  error: Error | PresenceError | null;
  /** When it is tried again, as Date.now(). */
  retryAt: number | null;
}

export interface SetOptions {
  message?: string;
  /** A word of RFC 4480 such as "meeting" or "meal". */
  activity?: string;
  /** Until when it holds; not together with ttl. */
  until?: Date | string;
  /** For how many seconds it holds. */
  ttl?: number;
  /** Others see the user as if everything had ended at this moment; needs an end. */
  invisible?: boolean;
  /** "manual" unless named. */
  protocol?: string;
  /** Whose; the token's user unless named. Services may set anybody's. */
  user?: string;
}

export interface ReportOptions {
  message?: string;
  /** A word of RFC 4480 such as "meeting". */
  activity?: string;
  /** "spreed" unless named. */
  protocol?: string;
  /** Whose; the token's user unless named. */
  user?: string;
  /** Milliseconds without a key or a pointer until available becomes away: 600000 unless set; 0: never. */
  idle?: number;
  /** The name of the device that the user works on; else a random one that the browser keeps for the page's origin; "": none. */
  device?: string;
  /** Milliseconds between two reports; else a third of the time after which the daemon forgets them. */
  heartbeat?: number;
  /** Milliseconds that the status holds when the page goes away: 5000 unless set, whole seconds; 0: unavailable at once. */
  linger?: number;
  onerror?: (error: Error | PresenceError) => void;
}

/** A connection to a daemon. The event "state" tells that `state` has changed. */
export class Connection extends EventTarget {
  private constructor();
  readonly state: State;
  set token(token: Token);
  watch(users: string | Iterable<string>, callback: (user: User) => void, ready?: () => void): () => void;
  /** Calls back for the members of a group of each moment; left is called with the id of whoever leaves it. */
  watchGroup(group: string, callback: (user: User) => void, options?: { ready?: () => void; left?: (id: string) => void }): () => void;
  watchAll(callback: (user: User) => void, ready?: () => void): () => void;
  get(user: string): Promise<User>;
  get(users: Iterable<string>): Promise<User[]>;
  /** The groups in which the token's user sees somebody; members is how many there are, null: more than 10,000. */
  groups(): Promise<{ group: string; members: number | null }[]>;
  /** The ids of a group's members that the token's user sees. */
  members(group: string): Promise<string[]>;
  me(): Promise<Me>;
  set(status: Status, options?: SetOptions): Promise<void>;
  clear(options?: { protocol?: string; user?: string }): Promise<void>;
  report(status?: Status, options?: ReportOptions): Report;
  /** Tries at once what waits. */
  retry(): void;
  close(): Promise<void>;
}

/** Reports one's own presence for as long as the page is there. */
export interface Report {
  /** What is reported at present. */
  readonly status: Status;
  set(status: Status, message?: string): void;
  stop(): Promise<void>;
}

/** What the daemon refuses. */
export class PresenceError extends Error {
  /** The status of HTTP. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly errors: { detail: string; pointer: string }[];
  /** Whether the same request may be accepted later. */
  readonly temporary: boolean;
}

/** The user of one of the daemon's own tokens. */
export function userOf(token: string): string;

/** Reads the format of server-sent events. */
export class EventParser {
  constructor(dispatch: (event: { type: string; data: string; id: string }) => void);
  readonly retry: number | null;
  readonly id: string;
  push(chunk: string): void;
}

export interface ConfigureOptions extends ConnectOptions {
  /** Other words for the statuses. */
  labels?: Partial<Record<Status | "stale" | "unknown", string>>;
  /** The language of the elements, such as "de", if not the browser's. */
  language?: string;
}

/** Connects all elements of the page. */
export function configure(options: ConfigureOptions): Connection;

/** <presence-dot user="alice@example.test"></presence-dot> */
export class PresenceDot extends HTMLElement {
  /** Shows a document that the page has already. */
  show(user: Pick<User, "status"> & Partial<User> | null): void;
}

/** <presence-me></presence-me>: the page's user sets a status. */
export class PresenceMe extends HTMLElement {
  /** Another connection than the one that configure makes; null: none for now. */
  set connection(connection: Connection | null);
}

/** A text with {names} in it, or texts by the categories of Intl.PluralRules. */
export type Words = Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>;

/** The words of the elements, by language. */
export const languages: Record<string, Words>;

/** Words, numbers and times in the first of the wanted languages that there is a table for, else in English. */
export class Texts {
  constructor(tables: Record<string, Words>, wanted?: readonly string[]);
  /** How dates and numbers are written, such as "de-AT". */
  readonly locale: string;
  /** That of the words, such as "de". */
  readonly language: string;
  has(key: string): boolean;
  say(key: string, values?: Record<string, unknown>): string;
  number(n: number): string;
  time(when: Date | string | number): string;
  day(when: Date | string | number): string;
  moment(when: Date | string | number): string;
  duration(seconds: number): string;
  ago(when: string): string;
  compare(a: string, b: string): number;
}

declare global {
  interface HTMLElementTagNameMap {
    "presence-dot": PresenceDot;
    "presence-me": PresenceMe;
  }
}
