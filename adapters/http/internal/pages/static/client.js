// zarafa-presence in a web page: see colleagues change colour, and be seen.
//
//   import { connect } from "https://presence.example.test/client.js";
//
//   const presence = connect({ token });
//   presence.watch(["alice@example.test"], (user) => {
//     document.querySelector("#alice").className = user.status; // available, busy, away or unavailable
//   });
//
// or, with nothing but an element:
//
//   configure({ token });                                   // once per page
//   <presence-dot user="alice@example.test"></presence-dot>
//   <presence-me></presence-me>                             // the page's user sets a status
//
// The token is fetched from your own server, whenever one is needed:
//
//   async function token() {
//     const answer = await fetch("/presence-token");
//     if (!answer.ok) throw new Error(`no token: ${answer.status}`);
//     return answer.text();
//   }
//
// It is one module without dependencies, for current browsers, as it is: nothing has to be built. Its types are in client.d.ts beside
// it, and docs/web.md tells the rest: where the token comes from, how a page may be on another host than the daemon, what to do about errors.
//
// What is in here, in this order:
//   connect, Connection   watch, watchGroup, watchAll, get, groups, members, me, set, clear, report
//   Stream                one connection to /v1/events: it reconnects and resumes, and misses nothing
//   Group                 the pages of a browser that share a stream
//   EventParser           the format of server-sent events
//   Report                heartbeats, away when idle, unavailable soon after the page is gone
//   Texts                 words, numbers and times in the browser's language; the elements' words in each
//   configure, PresenceDot, <presence-dot>
//   PresenceMe, <presence-me>

/** Where the daemon is, unless connect says otherwise: where this module was loaded from. */
const home = new URL(".", import.meta.url);

/** How long a token from a callback is used before a report asks for a fresh one. Its last message must go out at once: see Report. */
const freshToken = 120_000;

/** How long the function for tokens may take. */
const tokenTimeout = 30_000;

/** After so long without a byte a stream is dead, for the daemon sends a comment every 15 seconds. */
const silence = 45_000;

/** How long the list of watched users may still grow before the stream begins: a page adds its dots one by one. */
const gathering = 30;

/** The pause before the first attempt to reconnect, unless the daemon sets another with `retry`; and the longest. */
const firstPause = 2_000;
const longestPause = 30_000;

/** How long it may take from the event beforeunload until the page is gone; what stays longer has not been left. */
const longestLeave = 3_000;

/**
 * Whether only requests with `keepalive` let the browser keep a page for going back to it: Firefox looks for other requests before the page hears that it is
 * left. The bodies of all such requests together must be below 64 KiB, so long lists do without.
 */
const keepsBusyPages = / Gecko\/\d/.test(globalThis.navigator?.userAgent);

/** How often a report is repeated while it is not known how long the daemon remembers it. */
const usualHeartbeat = 60_000;

/**
 * Connects to a daemon. Nothing is sent before something is watched, asked or set.
 *
 * @param {object} options
 * @param {string | ((rejected: string) => string | Promise<string>) | null} options.token a token, or a function that fetches a fresh one. With a string everything ends when
 *   that token does, after five minutes as a rule; a function is called again whenever a fresh one is needed, with the one that the daemon did not take, if that is why.
 *   null: a proxy in front of the daemon says who the user is (auth.proxy_header).
 * @param {string | URL} [options.url] where the daemon is, e.g. "https://presence.example.test/"; else where this module came from
 * @returns {Connection}
 */
export function connect(options) {
  return new Connection(options);
}

/** What connect returns. Its event "state" tells that `state` has changed. */
export class Connection extends EventTarget {
  #caller;
  #named; // the stream of all users that are watched by name
  #everybody; // the stream of watchAll
  #groups = new Map(); // the streams of watchGroup, by the group
  #reports = new Set();
  #paused = 0; // the timer while the page is about to be left
  #state = { name: "idle", error: null, retryAt: null };

  constructor({ token, url = home } = {}) {
    super();
    this.#caller = new Caller(url, token);
    this.#named = new Stream(this.#caller, null, () => this.#tell());
    this.#everybody = new Stream(this.#caller, { name: "all", body: {} }, () => this.#tell());
    globalThis.addEventListener?.("online", this.#resume);
    globalThis.addEventListener?.("pageshow", this.#resume);
    globalThis.addEventListener?.("beforeunload", this.#pause);
    globalThis.addEventListener?.("pagehide", this.#suspend);
    globalThis.document?.addEventListener("visibilitychange", this.#hurry);
    if (globalThis.document?.visibilityState === "hidden") this.#hurry();
  }

  /**
   * How the streams are: `name` is
   *   "idle"        nothing is watched
   *   "connecting"  the first answer is awaited
   *   "live"        what was told is the present
   *   "waiting"     the connection is lost; it is tried again at `retryAt` (milliseconds, as Date.now()), and `error` is why
   *   "refused"     the daemon does not want to; `error` is why. It is not tried again until `token` is set or another list is watched.
   */
  get state() {
    return this.#state;
  }

  /** Takes another token, or another function that fetches them, and tries again what was refused. */
  set token(token) {
    this.#caller.tokens = new Tokens(token);
    for (const stream of this.#streams) stream.restart();
  }

  /**
   * Watches users: calls back with each one's document, at first as it is and then whenever it changes; also for users that nobody
   * knows. All lists of a page go through one stream. A callback for a user who is known already comes soon, never before watch returns.
   *
   * @param {string | Iterable<string>} users ids, such as "alice@example.test"
   * @param {(user: object) => void} callback
   * @param {() => void} [ready] called whenever all are told and what follows are changes
   * @returns {() => void} call it to watch no more
   */
  watch(users, callback, ready) {
    const ids = new Set(list(users).map(canonical));
    return this.#named.add({ ids, callback, ready, wants: (id) => ids.has(id) });
  }

  /**
   * Watches the members of a group: calls back with each one's document, as watch does. Whoever comes into the group later is told then. Each group takes a
   * stream, which the pages of a browser share. An unknown group makes the state "refused", with status 422; so does one in which the user sees nobody.
   *
   * @param {string} group its name
   * @param {(user: object) => void} callback
   * @param {object} [options]
   * @param {() => void} [options.ready] called whenever all are told and what follows are changes
   * @param {(id: string) => void} [options.left] called with the id of whoever has left the group
   * @returns {() => void} call it to watch no more
   */
  watchGroup(group, callback, { ready, left } = {}) {
    if (typeof group !== "string" || !group.trim()) throw new TypeError(`${JSON.stringify(group)} is no group`);
    let stream = this.#groups.get(group);
    if (!stream) {
      stream = new Stream(this.#caller, { name: `group ${group}`, body: { groups: [group] } }, () => this.#tell());
      this.#groups.set(group, stream);
    }
    return stream.add({ ids: null, callback, ready, left, wants: () => true });
  }

  /**
   * Watches everybody that the daemon knows. Only services may (me() says who is one); else the state becomes "refused", with status 403.
   *
   * @param {(user: object) => void} callback
   * @param {() => void} [ready] called whenever all are told and what follows are changes
   * @returns {() => void} call it to watch no more
   */
  watchAll(callback, ready) {
    return this.#everybody.add({ ids: null, callback, ready, wants: () => true });
  }

  /**
   * Asks once. One id is answered with its document, a list of at most 10,000 with a list in the same order.
   *
   * @param {string | Iterable<string>} users
   */
  async get(users) {
    const ids = list(users);
    if (typeof users === "string") return (await this.#caller.request("GET", `v1/users/${encodeURIComponent(users)}`)).json();
    return (await (await this.#caller.request("POST", "v1/users:query", { body: { users: ids } })).json()).users;
  }

  /** Lists the groups in which the token's user sees somebody, by name: [{ group, members }], where members is how many there are. */
  async groups() {
    return (await (await this.#caller.request("GET", "v1/groups")).json()).groups;
  }

  /** Lists the ids of a group's members that the token's user sees. */
  async members(group) {
    const answer = await this.#caller.request("GET", `v1/users?group=${encodeURIComponent(group)}`);
    return (await answer.json()).users.map(({ user }) => user);
  }

  /**
   * Asks who the token speaks for, and what the site offers to set: { user, key, display_name, service, expires, status_entries }. `user` is null if the token
   * is a static key.
   */
  async me() {
    return this.#caller.me();
  }

  /**
   * Sets the status of the token's user by hand: it wins over all other protocols until `until` or for `ttl` seconds, else until it is cleared.
   *
   * @param {"available" | "busy" | "away" | "unavailable"} status
   * @param {object} [options] message, activity (a word of RFC 4480), until (Date or RFC 3339 text), ttl (seconds), invisible (true: others see the user as if
   *   everything had ended at this moment; needs an end), protocol ("manual"), user (services may set anybody's)
   */
  async set(status, { message, activity, until, ttl, invisible, protocol = "manual", user } = {}) {
    if (until instanceof Date) until = until.toISOString();
    await this.#onProtocol("PUT", protocol, user, { status, message, activity, until, ttl, invisible: invisible || undefined });
  }

  /** Takes away what was set by hand, or on another protocol. To take away what is not there is no error. */
  async clear({ protocol = "manual", user } = {}) {
    await this.#onProtocol("DELETE", protocol, user);
  }

  /**
   * Reports the token's user as this page's: at once, again before the daemon forgets it, as away after a time without a key or a pointer, and as unavailable
   * a few seconds after the page has gone away, unless it or another one comes meanwhile. See Report.
   *
   * @param {"available" | "busy" | "away" | "unavailable"} [status]
   * @param {object} [options]
   * @param {string} [options.message]
   * @param {string} [options.activity] a word of RFC 4480 such as "meeting"; not told while the status is unavailable
   * @param {string} [options.protocol] "spreed"
   * @param {number} [options.idle] milliseconds without a key or a pointer until available becomes away (10 minutes); 0: never
   * @param {string} [options.device] the name of the device that the user works on; else a random one that this browser keeps for the page's origin; "": none
   * @param {number} [options.heartbeat] milliseconds between two reports; else a third of the time after which the daemon forgets them
   * @param {number} [options.linger] milliseconds that the status holds when the page goes away (5,000, whole seconds), so that nobody is seen to leave who loads
   *   it anew or goes to another one; 0: unavailable at once
   * @param {(error: Error) => void} [options.onerror] called with what goes wrong; else the first one goes to the console
   * @returns {Report}
   */
  report(status = "available", options = {}) {
    const report = new Report(this.#caller, status, options, () => this.#reports.delete(report));
    this.#reports.add(report);
    return report;
  }

  /** Tries at once what waits, such as when the user does not want to wait for it. */
  retry() {
    for (const stream of this.#streams) stream.hurry();
  }

  /** Ends everything: streams, and reports, whose user becomes unavailable. */
  async close() {
    globalThis.removeEventListener?.("online", this.#resume);
    globalThis.removeEventListener?.("pageshow", this.#resume);
    globalThis.removeEventListener?.("beforeunload", this.#pause);
    globalThis.removeEventListener?.("pagehide", this.#suspend);
    globalThis.document?.removeEventListener("visibilitychange", this.#hurry);
    clearTimeout(this.#paused);
    for (const stream of this.#streams) stream.clear();
    await Promise.all([...this.#reports].map((report) => report.stop()));
  }

  async #onProtocol(method, protocol, user, body) {
    await this.#caller.request(method, await this.#caller.pathOf(protocol, user), { body });
  }

  get #streams() {
    return [this.#named, this.#everybody, ...this.#groups.values()];
  }

  /** Makes one state of the streams': the worst one. */
  #tell() {
    const order = ["idle", "live", "connecting", "waiting", "refused"];
    this.#state = this.#streams.map(({ state }) => state).reduce((a, b) => (order.indexOf(b.name) > order.indexOf(a.name) ? b : a));
    this.dispatchEvent(new CustomEvent("state", { detail: this.#state }));
  }

  #resume = (event) => {
    if (event.type === "pageshow" && !event.persisted) return;
    for (const stream of this.#streams) stream.resume(); // a stream from before is probably dead
  };

  /** Ends the streams, or the browser could not keep the page for going back to it. */
  #suspend = () => {
    clearTimeout(this.#paused);
    for (const stream of this.#streams) stream.suspend();
  };

  /** The page will be left, perhaps. In pagehide it is too late for Firefox: what has a stream then is not kept. If the page stays it goes on. */
  #pause = () => {
    this.#suspend();
    this.#paused = setTimeout(() => {
      if (Group.possible()) this.#resume({});
      else this.#hurry();
    }, longestLeave);
  };

  #hurry = () => {
    const visible = document.visibilityState === "visible";
    for (const stream of this.#streams) {
      if (Group.possible()) visible && stream.hurry();
      else if (visible) stream.resume();
      else stream.suspend(); // each page has a stream of its own, and six would take all connections: those that nobody sees let go of theirs
    }
  };
}

/** What the daemon refuses: `status` is that of HTTP, `detail` says why in a sentence, `errors` names what is wrong with which part. */
export class PresenceError extends Error {
  constructor(status, { title = `HTTP ${status}`, detail = "", errors = [] } = {}, retryAfter = 0) {
    super(detail || title);
    this.name = "PresenceError";
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
    this.retryAfter = retryAfter; // milliseconds; 0: the daemon does not say
  }

  /** Whether the same request may be accepted later: the daemon says so, or it was a proxy that refused, which the daemon had not answered. */
  get temporary() {
    return this.status >= 500 || this.status === 408 || this.status === 429 || this.#foreign;
  }
  #foreign = false;

  static async from(response) {
    const foreign = !response.headers.get("Content-Type")?.startsWith("application/problem+json");
    const problem = foreign ? {} : await response.json().catch(() => ({}));
    const error = new PresenceError(response.status, problem ?? {}, 1000 * Number(response.headers.get("Retry-After")) || 0);
    error.#foreign = foreign;
    return error;
  }
}

/** Sends requests. */
class Caller {
  tokens;
  #url;

  constructor(url, token) {
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.username = this.#url.password = ""; // which the page's own address may have; no request may go to such an address
    if (!this.#url.pathname.endsWith("/")) this.#url.pathname += "/";
    this.tokens = new Tokens(token);
  }

  /**
   * Sends a request with a token in its header, and once more with a fresh one if the daemon does not take it.
   * It fails with a PresenceError if the daemon refuses, and with fetch's TypeError if it cannot be reached.
   *
   * @returns {Promise<Response>}
   */
  async request(method, path, { body, headers, signal, keepalive, freshFor } = {}) {
    for (let first = true; ; first = false) {
      const tokens = this.tokens;
      const token = await tokens.get(freshFor);
      signal?.throwIfAborted();
      let response;
      try {
        response = await this.#send(method, path, token, { body, headers, signal, keepalive });
      } catch (failure) {
        if (!signal?.aborted) tokens.drop(token);
        throw failure;
      }
      if (response.ok) return response;
      if (response.status === 401 && tokens.reject(token) && first) continue;
      tokens.drop(token);
      throw await PresenceError.from(response);
    }
  }

  /** Asks who the token speaks for. All who ask at once get the same answer. */
  me() {
    const tokens = this.tokens;
    tokens.me ??= this.request("GET", "v1/me").then((answer) => answer.json()).finally(() => (tokens.me = null));
    return tokens.me;
  }

  /** Who the token speaks for. That stands in the daemon's own tokens; about others, and where a proxy signs people in, the daemon is asked, once. */
  async user() {
    const tokens = this.tokens;
    const token = await tokens.get();
    if (own.test(token)) return userOf(token);
    tokens.user ??= this.me().then(({ user }) => user);
    return tokens.user.catch((error) => {
      tokens.user = null;
      throw error;
    });
  }

  /** Sends the last word of a page that goes away: with the token that is there, for nothing waits for an answer. */
  parting(path, body) {
    if (this.tokens.last || this.tokens.ambient) this.#send("PUT", path, this.tokens.last, { body, keepalive: true }).catch(() => {});
  }

  /** The name under which the pages that watch on behalf of the same user find each other. */
  async groupName(about) {
    return `zarafa-presence events ${about} ${await this.user()} ${this.#url}`;
  }

  /** The path of a user's presence on a protocol; the user is the token's unless another is named. */
  async pathOf(protocol, user) {
    user ??= await this.user();
    return `v1/users/${encodeURIComponent(user)}/${encodeURIComponent(protocol)}`;
  }

  #send(method, path, token, { body, headers, signal, keepalive }) {
    return fetch(new URL(path, this.#url), {
      method,
      headers: { ...headers, ...(token && { Authorization: `Bearer ${encodeURI(token)}` }), // a header takes Latin-1 alone, a user's id more
        ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      signal,
      keepalive,
      cache: "no-store",
      credentials: "same-origin", // a proxy in front may want to see its cookie
      redirect: "error", // the token is for the daemon alone
    });
  }
}

/** Keeps the token, and fetches another when it is time. */
class Tokens {
  last = ""; // the one that get returned last
  user = null; // who it speaks for, as a promise, if the daemon was asked
  me = null; // what the daemon says about that, as a promise, while it is asked
  #source;
  #since = 0; // when it was fetched
  #rejected = ""; // the last one that the daemon did not take
  #fetching = null;
  #life = Infinity; // a guess at how long a token holds, from those that have expired

  constructor(source) {
    if (source !== null && typeof source !== "string" && typeof source !== "function") throw new TypeError("connect needs a token: a string, or a function that fetches one");
    this.#source = source;
    if (typeof source === "string") this.last = checked(source);
  }

  /** Returns a token that is not older than freshFor milliseconds, if fresh ones can be had. All who ask at once get the same. */
  async get(freshFor = Infinity) {
    if (this.fixed) return this.last;
    if (this.last && Date.now() - this.#since < Math.min(freshFor, this.#life)) return this.last;
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = null));
    return this.#fetching;
  }

  async #fetch() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("the function for tokens did not answer")), tokenTimeout);
    });
    try {
      const source = this.#source;
      this.last = checked(await Promise.race([source(this.#rejected), late]));
      this.#rejected = "";
      this.#since = Date.now();
      return this.last;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Notes that a request with a token has failed: the next one has a fresh token, in case that was why. The last word of a page may still use this one. */
  drop(token) {
    if (token === this.last) this.#since = -Infinity;
  }

  /** Notes that the daemon does not take a token, and says whether there may be another. */
  reject(token) {
    if (this.fixed) return false;
    if (token === this.last) {
      const age = Date.now() - this.#since;
      if (age > 10_000) this.#life = Math.min(this.#life, age / 2);
      this.last = "";
      this.#rejected = token;
    }
    return true;
  }

  /** Notes that the daemon has said that its time is up. */
  expired() {
    this.reject(this.last);
  }

  /** Whether there is no other token than one, or none at all. */
  get fixed() {
    return typeof this.#source !== "function";
  }

  /** Whether a proxy in front of the daemon says who the user is. */
  get ambient() {
    return this.#source === null;
  }
}

/**
 * One connection to /v1/events. The daemon begins with everyone's present state and goes on with every change; each event has the revision as its id.
 * After an interruption the last id is sent back, and what has changed since then comes. Nothing is lost and nothing comes twice,
 * however long it took. What is known is kept here, so that a second watch for a user need not wait.
 *
 * Of the pages of a browser one leads: it has the connection, for the lists of all, and relays what comes to the others, which follow. See Group.
 */
class Stream {
  state = { name: "idle", error: null, retryAt: null };
  #caller;
  #about; // null: the users that are watched; else what it is called and what it asks for
  #tell;
  #watches = new Set();
  #known = new Map(); // id -> { user, data }: the document, and its text to see whether it is another
  #open = new Set(); // the ids that were asked for
  #unconfirmed = null; // while a stream begins anew: the ids that were not told yet
  #lastID = "";
  #pause = firstPause;
  #failures = 0;
  #aborter = null; // of the connection; null: none
  #timer = 0;
  #suspended = false;
  #group = null; // null: not in one
  #alone = false; // the daemon has refused the lists of the whole group

  constructor(caller, about, tell) {
    this.#caller = caller;
    this.#about = about;
    this.#tell = tell;
  }

  /** Adds a watch and returns what takes it away. */
  add(watch) {
    this.#watches.add(watch);
    if (!this.#covers(watch)) this.#begin(gathering);
    queueMicrotask(() => this.#repeat(watch));
    return () => {
      if (this.#watches.delete(watch) && !this.#watches.size) this.clear();
    };
  }

  /** Ends the stream and forgets everything. */
  clear() {
    this.#watches.clear();
    this.#stop();
    this.#leave();
    this.#alone = false;
    this.#forget();
    this.#set("idle");
  }

  /** Connects again at once, going on from where it was. */
  restart() {
    if (!this.#watches.size || this.#suspended) return;
    this.#failures = 0;
    this.#schedule(0);
  }

  suspend() {
    this.#suspended = true;
    this.#stop();
    this.#leave();
  }

  resume() {
    this.#suspended = false;
    if (this.state.name !== "refused") this.restart();
  }

  hurry() {
    if (this.state.name !== "waiting") return;
    if (this.#follows) this.#group.post({ hurry: true });
    else this.restart();
  }

  get #follows() {
    return this.#group !== null && !this.#group.leads;
  }

  #covers(watch) {
    return this.#open.size > 0 && (!watch.ids || [...watch.ids].every((id) => this.#open.has(id)));
  }

  /** Tells a new watch what is known. */
  #repeat(watch) {
    if (!this.#watches.has(watch)) return;
    for (const [id, { user }] of this.#known) if (watch.wants(id)) call(watch.callback, user);
    if (this.state.name === "live" && this.#covers(watch)) call(watch.ready);
  }

  /** Opens a stream for another list: all of it is told anew. */
  #begin(after) {
    this.#forget(true);
    this.#failures = 0;
    if (!this.#suspended) this.#schedule(after);
  }

  /** Lets go of the place in the stream; what is known stays, to be confirmed, unless all is to go. */
  #forget(confirm = false) {
    this.#lastID = "";
    this.#open = new Set();
    if (!confirm) this.#known.clear();
    this.#unconfirmed = new Set(this.#known.keys());
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#aborter?.abort();
    this.#aborter = null;
  }

  #schedule(after) {
    this.#stop();
    if (this.state.name !== "live" && this.state.name !== "waiting") this.#set("connecting");
    this.#timer = setTimeout(() => this.#run(), after);
  }

  #set(name, error = null, retryAt = null) {
    if (this.state.name === name && this.state.error === error && this.state.retryAt === retryAt) return;
    this.state = { name, error, retryAt };
    if (this.#group?.leads) this.#group.post({ state: portable(this.state) });
    this.#tell();
  }

  /** Connects once, and arranges for the next time. */
  async #run() {
    const aborter = (this.#aborter = new AbortController());
    const began = Date.now();
    let error;
    try {
      await this.#join();
      if (this.#aborter !== aborter) return;
      if (this.#follows) {
        this.#aborter = null;
        return this.#group.post({ wants: this.#ids() }); // the page that leads answers, or this one will soon lead
      }
      const reason = await this.#read(aborter);
      if (reason === "expired" && this.#aborter === aborter && Date.now() - began > 5_000) return this.#schedule(0); // with a fresh token
      error = new Error(endings[reason] ?? "the connection has ended");
    } catch (failure) {
      error = failure;
    }
    if (this.#aborter !== aborter) return; // stopped, or another has taken its place
    this.#aborter = null;
    if (error instanceof PresenceError && !this.#worthTrying(error)) return this.#refuse(error);
    const pause = Math.max(error.retryAfter ?? 0, pauseAfter(this.#failures++, this.#pause));
    this.#set("waiting", error, Date.now() + pause);
    this.#timer = setTimeout(() => this.#run(), pause);
  }

  /** Gives up: another page may have a better token. What the daemon does not take of a group may be the list of another page. */
  #refuse(error) {
    const others = this.#group?.lists.size > 0;
    this.#leave();
    if (others && error.status !== 401 && error.status !== 403) {
      this.#alone = true;
      this.#begin(0);
    } else {
      this.#set("refused", error);
    }
  }

  /** Joins the group of the token's user, if this browser can have groups. */
  async #join() {
    if (!Group.possible() || this.#alone) return;
    const name = await this.#caller.groupName(this.#about?.name ?? "named");
    if (!this.#watches.size || this.#suspended || this.#group?.name === name) return;
    this.#leave();
    const group = new Group(name, () => this.#begin(gathering), (message, from) => group === this.#group && this.#hear(message, from));
    this.#group = group;
  }

  #leave() {
    this.#group?.leave();
    this.#group = null;
  }

  /** Takes a message of another page in the group. */
  #hear(message, from) {
    if (this.#group.leads) {
      if (message.wants && !this.#open.size) this.#begin(gathering);
      else if (message.wants) this.#include(message.wants, from);
      else if (message.hurry) this.hurry();
      return;
    }
    if (message.who) this.#group.post({ wants: this.#ids() });
    if (message.begin) this.#open = new Set(message.begin);
    if (message.begin) this.#unconfirmed = new Set(this.#known.keys());
    if (message.known && message.to === this.#group.id) {
      this.#open = new Set(message.open);
      for (const data of message.known) this.#learn(JSON.parse(data), data);
      if (message.live) this.#take({ type: "ready" }, {});
    }
    for (const event of message.events ?? []) this.#take(event, {});
    if (message.state) this.#adopt(message.state);
  }

  /** Tells a page what is known of the users that it wants. If the stream does not cover them it begins anew. */
  #include(ids, from) {
    if (!ids.every((id) => this.#open.has(id))) return this.#begin(gathering);
    const wanted = new Set(ids);
    const known = [...this.#known].filter(([id]) => this.#about || wanted.has(id)).map(([, { data }]) => data);
    this.#group.post({ to: from, open: ids, known, live: this.state.name === "live" });
    if (this.state.name === "waiting") this.#group.post({ state: portable(this.state) });
  }

  /** Takes over the state of the page that leads, but for "live": the event "ready" says whether that is about what this one watches. */
  #adopt({ name, error, retryAt }) {
    if (name === "live") return;
    clearTimeout(this.#timer);
    this.#set(name, error && (error.status ? new PresenceError(error.status, error) : new Error(error.detail)), retryAt);
    if (name !== "waiting") return;
    this.#timer = setTimeout(() => this.hurry(), retryAt - Date.now() + 1_000); // in a page that nobody sees, timers are late
  }

  /** Whether the stream is about all that this page watches. */
  get #covered() {
    return [...this.#watches].every((watch) => this.#covers(watch));
  }

  /** The users that this page watches. If it watches everybody, or a group, one name stands for all. */
  #ids() {
    return this.#about ? [""] : [...new Set([...this.#watches].flatMap((watch) => [...watch.ids]))];
  }

  /** Tells whether a refused request may be accepted later: the next token, perhaps. */
  #worthTrying(error) {
    return error.temporary || (error.status === 401 && !this.#caller.tokens.fixed);
  }

  /** Reads one stream to its end, and returns why the daemon has ended it; nothing if it did not say. */
  async #read(aborter) {
    let heard = Date.now();
    let quiet = false;
    const watchdog = setInterval(() => {
      if (Date.now() - heard > silence) {
        quiet = true;
        aborter.abort();
      }
    }, 5_000);
    try {
      const response = await this.#request(aborter.signal);
      const ended = { reason: "" };
      let came = [];
      const parser = new EventParser((event) => {
        if (this.#aborter !== aborter) return; // not what came together with the last it should hear
        if (event.type !== "end") came.push({ type: event.type, data: event.data });
        this.#take(event, ended);
      });
      const text = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        heard = Date.now();
        if (done) return ended.reason;
        parser.push(text.decode(value, { stream: true }));
        if (came.length && this.#group?.lists.size) this.#group.post({ events: came });
        came = [];
        if (parser.id && this.#aborter === aborter) this.#lastID = parser.id;
        if (parser.retry !== null) this.#pause = Math.max(parser.retry, 100);
      }
    } catch (error) {
      throw quiet ? new Error("the daemon has fallen silent") : error;
    } finally {
      clearInterval(watchdog);
      aborter.abort(); // of no effect if all was read
    }
  }

  #request(signal) {
    const ids = new Set([...this.#ids(), ...(this.#group ? [...this.#group.lists.values()].flat() : [])]);
    if (!this.#lastID) {
      this.#open = ids;
      this.#group?.post({ begin: [...ids] });
    }
    const body = this.#about?.body ?? { users: [...this.#open] };
    const headers = { Accept: "text/event-stream" };
    if (this.#lastID) headers["Last-Event-ID"] = this.#lastID;
    const keepalive = keepsBusyPages && JSON.stringify(body).length < 16_384;
    return this.#caller.request("POST", "v1/events", { body, headers, signal, keepalive });
  }

  #take({ type, data }, ended) {
    switch (type) {
      case "reset": // the daemon does not know what it said before: all follows
        this.#unconfirmed = new Set(this.#known.keys());
        break;
      case "presence":
        this.#learn(JSON.parse(data), data);
        break;
      case "ready":
        this.#confirm();
        this.#failures = 0;
        if (!this.#covered) break; // it was about the lists of other pages
        this.#set("live");
        for (const { ready } of [...this.#watches]) call(ready);
        break;
      case "end":
        ended.reason = JSON.parse(data).reason;
        if (ended.reason === "expired") this.#caller.tokens.expired();
    }
  }

  /** Takes a user's document. missing says that nothing was told of the user, who has left the group, if this is about one. */
  #learn(user, data, missing = false) {
    this.#unconfirmed?.delete(user.user);
    if (this.#known.get(user.user)?.data === data) return;
    this.#known.set(user.user, { user, data });
    for (const watch of [...this.#watches]) {
      if (missing && watch.left) call(watch.left, user.user);
      else if (watch.wants(user.user)) call(watch.callback, user);
    }
  }

  /** Ends the beginning. A user that nothing was told of is unknown now. */
  #confirm() {
    const missing = this.#about ? [] : [...this.#open].filter((id) => !this.#known.has(id));
    for (const id of [...(this.#unconfirmed ?? []), ...missing]) {
      const user = unknownUser(id);
      this.#learn(user, JSON.stringify(user), true);
      if (!this.#watches.size) return; // a callback has ended it all
      if (this.#about || !this.#open.has(id)) this.#known.delete(id);
    }
    this.#unconfirmed = null;
  }
}

/**
 * The pages of a browser that share a stream, because HTTP/1.1 has six connections for all of them, and a request would wait for ever for a seventh. One leads: it
 * holds a lock. When it goes, in whatever way, the next one gets the lock. Each tells the others what it wants, over a channel that carries:
 *   of those who follow:  wants: [id...], hurry, left
 *   of the one who leads: who (tell me what you want), begin: [id...], events, state, and for a page that comes late: to, open, known, live
 */
class Group {
  leads = false;
  lists = new Map(); // what the others want, by their ids
  id = Math.random().toString(36).slice(2);
  #channel;
  #left = new AbortController();

  /** Whether the browser can do it. It does not lend locks to pages that came over http from another machine. */
  static possible() {
    return Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel);
  }

  constructor(name, onlead, onmessage) {
    this.name = name;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data: { from, ...message } }) => {
      if (message.wants) this.lists.set(from, message.wants);
      if (message.left) this.lists.delete(from);
      onmessage(message, from);
    };
    const lead = () => {
      if (this.#left.signal.aborted) return;
      this.leads = true;
      this.lists.clear();
      this.post({ who: true });
      onlead();
      return new Promise((release) => this.#left.signal.addEventListener("abort", release));
    };
    navigator.locks.request(name, { signal: this.#left.signal }, lead).catch(() => {}); // it fails when this page leaves
  }

  post(message) {
    this.#channel.postMessage({ ...message, from: this.id });
  }

  leave() {
    this.post({ left: true });
    this.#channel.close();
    this.#left.abort();
  }
}

/** A state in a form that a channel carries. */
function portable({ name, error, retryAt }) {
  return { name, retryAt, error: error && { status: error.status, title: error.title, detail: error.detail || error.message, errors: error.errors } };
}

/** The pause after some failures in a row: twice as long each time, and not the same for everybody. */
function pauseAfter(failures, first) {
  return Math.min(first * 2 ** failures * (0.5 + Math.random()), longestPause * (0.75 + Math.random() / 4));
}

/** Why the daemon ends a stream. */
const endings = { expired: "the token has expired", stopping: "the daemon is stopping" };

/** Calls what the page has handed over; its faults are its own, and reach the console like any other. */
function call(callback, ...args) {
  try {
    callback?.(...args);
  } catch (fault) {
    globalThis.reportError ? reportError(fault) : console.error(fault);
  }
}

/** Reads the format of server-sent events (HTML Living Standard, 9.2.6). A chunk may end anywhere. */
export class EventParser {
  /** Milliseconds that the sender wants clients to wait before they reconnect; null: it has not said. */
  retry = null;
  /** The id up to which everything was told: that of the last event, or of a comment since. */
  id = "";
  #dispatch;
  #rest = ""; // the begin of a line whose end has not come
  #afterCR = false; // a LF that comes first belongs to the CR before
  #type = "";
  #data = [];
  #id = ""; // it counts from the end of its event on

  /** @param {(event: { type: string, data: string, id: string }) => void} dispatch called for each event; `id` is the last that was sent */
  constructor(dispatch) {
    this.#dispatch = dispatch;
  }

  /** Takes the next piece of the text. */
  push(chunk) {
    if (!chunk) return;
    if (this.#afterCR && chunk[0] === "\n") chunk = chunk.slice(1);
    this.#afterCR = chunk.endsWith("\r");
    const ends = /\r\n?|\n/g;
    let begin = 0;
    for (let end; (end = ends.exec(chunk)); begin = ends.lastIndex) {
      this.#line(this.#rest + chunk.slice(begin, end.index));
      this.#rest = "";
    }
    this.#rest += chunk.slice(begin);
  }

  #line(line) {
    if (line === "") return this.#end();
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #end() {
    this.id = this.#id;
    const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.id };
    const some = this.#data.length > 0;
    this.#type = "";
    this.#data = [];
    if (some) this.#dispatch(event);
  }
}

/**
 * Keeps one's own presence up to date for as long as the page is there. What connection.report returns.
 *
 * Several pages of one user in the same browser know of each other: who works in one of them is not away in the others, and when one is
 * closed the others soon say that the user is still there. They should report the same status, else the last one to speak wins.
 */
export class Report {
  #caller;
  #status;
  #options;
  #ended;
  #stopped = false;
  #path = "";
  #active = Date.now(); // when the user last did something
  #every = 0; // milliseconds between two heartbeats; 0: not known yet
  #timer = 0;
  #warned = 0; // when the page was about to be left
  #aborter = null; // of the request that is under way
  #failures = 0;
  #complained = false;
  #siblings = null;

  constructor(caller, status, options, ended) {
    this.#caller = caller;
    this.#status = status;
    this.#options = { message: undefined, activity: undefined, protocol: "spreed", idle: 600_000, linger: 5_000, user: undefined, device: ownDevice(), ...options };
    this.#every = options.heartbeat ?? 0;
    this.#ended = ended;
    for (const name of activities) globalThis.addEventListener?.(name, this.#act, { capture: true, passive: true });
    globalThis.document?.addEventListener("visibilitychange", this.#act);
    globalThis.addEventListener?.("beforeunload", this.#warn);
    globalThis.addEventListener?.("pagehide", this.#leave);
    globalThis.addEventListener?.("pageshow", this.#act);
    globalThis.addEventListener?.("online", this.#beat);
    this.#beat();
  }

  /** What is reported at present: the status, or away instead of available when nobody has touched the page for long. */
  get status() {
    return this.#status === "available" && this.#idleIn() <= 0 ? "away" : this.#status;
  }

  /** Reports another status, and another message or none, from now on. */
  set(status, message) {
    this.#status = status;
    this.#options.message = message;
    this.#beat();
  }

  /** Ends it: the user becomes unavailable. It resolves when the daemon knows; calling it again does nothing. */
  async stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#aborter?.abort();
    this.#aborter = null;
    for (const name of activities) globalThis.removeEventListener?.(name, this.#act, { capture: true });
    globalThis.document?.removeEventListener("visibilitychange", this.#act);
    globalThis.removeEventListener?.("beforeunload", this.#warn);
    globalThis.removeEventListener?.("pagehide", this.#leave);
    globalThis.removeEventListener?.("pageshow", this.#act);
    globalThis.removeEventListener?.("online", this.#beat);
    this.#ended();
    try {
      if (this.#path) await this.#caller.request("PUT", this.#path, { body: this.#body("unavailable", { message: undefined }) });
      this.#siblings?.postMessage("left");
    } finally {
      this.#siblings?.close();
    }
  }

  /** How many milliseconds it takes until the user counts as idle; Infinity: never. */
  #idleIn() {
    return this.#options.idle > 0 ? this.#active + this.#options.idle - Date.now() : Infinity;
  }

  #act = (event) => {
    if (event.type === "visibilitychange" && document.visibilityState !== "visible") return;
    const before = this.status;
    const news = Date.now() - this.#active > 5_000;
    this.#active = Date.now();
    if (news) this.#siblings?.postMessage("active");
    if (event.type === "pageshow" ? event.persisted : before !== this.status) this.#beat(); // back from being away, or from the browser's memory
  };

  /**
   * The page will be left, perhaps. A browser that is closed as a whole may send nothing that comes later. If the page stays it soon says so.
   */
  #warn = () => {
    const { linger } = this.#options;
    if (linger <= 0) return;
    this.#part();
    this.#warned = Date.now();
    this.#timer = setTimeout(this.#beat, linger / 2);
  };

  /** The page goes away. If no other one goes on, and this one does not come back, the daemon makes the user unavailable by itself. */
  #leave = () => {
    clearTimeout(this.#timer);
    if (Date.now() - this.#warned > 1_000) this.#part();
    this.#siblings?.postMessage("left");
  };

  /** Says the last word. A request that is under way must not arrive after it. */
  #part() {
    clearTimeout(this.#timer);
    this.#aborter?.abort();
    this.#aborter = null;
    const { linger } = this.#options;
    const last = linger > 0 ? this.#body(this.status, { ttl: Math.ceil(linger / 1000) }) : this.#body("unavailable", { message: undefined });
    if (this.#path) this.#caller.parting(this.#path, last);
  }

  #hear = ({ data }) => {
    if (data === "active") {
      const before = this.status;
      this.#active = Date.now();
      if (before !== this.status) this.#beat();
    } else if (data === "left") {
      clearTimeout(this.#timer); // soon, but after its last word has reached the daemon
      this.#timer = setTimeout(this.#beat, Math.max(this.#options.linger / 2, 500));
    }
  };

  /** Reports, and arranges for the next time. A report that is under way is dropped for the newer one. */
  #beat = async () => {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#aborter?.abort();
    const aborter = (this.#aborter = new AbortController());
    let next;
    try {
      next = await this.#say(aborter.signal);
      this.#failures = 0;
    } catch (error) {
      if (this.#aborter !== aborter) return; // another has taken its place, or the page goes away
      this.#complain(error);
      if (error instanceof PresenceError && !error.temporary && error.status !== 401) return this.#end();
      next = Math.max(error.retryAfter ?? 0, pauseAfter(this.#failures++, firstPause));
    }
    if (this.#aborter !== aborter) return;
    this.#aborter = null;
    if (this.#status === "available") next = Math.min(next, Math.max(this.#idleIn(), 0) || next);
    this.#timer = setTimeout(this.#beat, next);
  };

  async #say(signal) {
    const { protocol, user } = this.#options;
    if (!this.#path) {
      this.#path = await this.#caller.pathOf(protocol, user);
      this.#meet();
    }
    await this.#caller.request("PUT", this.#path, { body: this.#body(this.status), signal, freshFor: freshToken });
    return this.#every || this.#learn(protocol, signal);
  }

  #body(status, more) {
    const { message, activity, device } = this.#options;
    const idle_since = status === "away" && this.#status === "available" ? new Date(this.#active).toISOString() : undefined;
    return { status, message, activity: status === "unavailable" ? undefined : activity, idle_since, device: device || undefined, ...more };
  }

  /**
   * Finds out how often to report: at a third of the time after which the daemon forgets it. If what it says now is what another device has said, which may
   * end earlier, the next report asks again.
   */
  async #learn(protocol, signal) {
    const path = this.#path.slice(0, this.#path.lastIndexOf("/"));
    const user = await (await this.#caller.request("GET", path, { signal })).json();
    const { status, message, updated, expires } = user.protocols[protocol] ?? {};
    if (!expires) return usualHeartbeat; // what is unavailable does not expire: the next report may tell
    const every = Math.max((Date.parse(expires) - Date.parse(updated)) / 3, 200);
    if (status === this.status && message === (this.#options.message ?? "")) this.#every = every;
    return every;
  }

  /** Joins the other pages that report the same. */
  #meet() {
    if (!globalThis.BroadcastChannel || this.#stopped) return;
    this.#siblings = new BroadcastChannel(`zarafa-presence ${this.#path}`);
    this.#siblings.onmessage = this.#hear;
  }

  #complain(error) {
    if (this.#options.onerror) return call(this.#options.onerror, error);
    if (!this.#complained) console.warn("the presence could not be reported:", error);
    this.#complained = true;
  }

  #end() {
    this.#path = ""; // there is nothing to take back
    void this.stop();
  }
}

/** The name of this browser among the user's devices, random, and kept for the page's origin; none if the browser does not keep anything. */
function ownDevice() {
  const key = "zarafa-presence device";
  try {
    const kept = localStorage.getItem(key);
    if (kept) return kept;
    const made = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    localStorage.setItem(key, made);
    return made;
  } catch {
    return "";
  }
}

/** What a user does when at work. */
const activities = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

/** What the daemon says of a user that it does not know. */
function unknownUser(id) {
  return { user: id, status: "unavailable", message: "", by: null, reason: "unknown", since: null, stale: false, revision: 0, protocols: {} };
}

/** The forms of tokens: the daemon's own, and those of an OpenID provider. */
const own = /^\d+:[^\p{Cc}\p{Cs}]+@[^\p{Cc}\p{Cs}]+:[A-Za-z0-9+/=]+$/u;
const provided = /^ey[\w-]+\.[\w-]+\.[\w-]+$/;

/** Returns a token without the blanks around it. What is none, such as a login page, is refused before it is sent. */
function checked(token) {
  const text = typeof token === "string" ? token.trim() : "";
  if (text.length <= 4096 && own.test(text) || text.length <= 16_384 && provided.test(text)) return text;
  throw new TypeError(`that is no token, which is TIME:USER:MAC, or one of an OpenID provider: ${JSON.stringify(text || token)?.slice(0, 80)}`);
}

/** The user of one of the daemon's own tokens, which is TIME:USER:MAC. */
export function userOf(token) {
  const [begin, end] = [token.indexOf(":"), token.lastIndexOf(":")];
  if (begin < 0 || end <= begin + 1) throw new TypeError("that is no token");
  return token.slice(begin + 1, end);
}

function list(users) {
  return typeof users === "string" ? [users] : [...users];
}

/** The form of an id in which the daemon tells it: in lower case, letter by letter. What can be no id is refused before it spoils a whole list. */
function canonical(id) {
  if (typeof id !== "string" || !/^[^@\s"/<>\\]+@[^@\s"/<>\\.]+(\.[^@\s"/<>\\.]+)*$/.test(id)) throw new TypeError(`${JSON.stringify(id)} is no user: an id is account@domain`);
  return Array.from(id, (letter) => String.fromCodePoint(letter.toLowerCase().codePointAt(0))).join("");
}

// ---- Words

/** The words of the elements, by language. A further language is a further table here, and a file beside assets/en.js for the board. */
export const languages = {
  en: {
    available: "available", busy: "busy", away: "away", unavailable: "unavailable", stale: "perhaps no longer", unknown: "unknown",
    myStatus: "My status", nothingSet: "You have set nothing yourself.", setByYou: "Set by you.", setByYouUntil: "Set by you, until {time}.",
    until: "until {time}", invisible: "invisible to others", pick: "Set with one click", entryFor: "{label}, {duration}",
    status: "Status", message: "Message", messageHint: "What are you up to?", end: "How long",
    never: "Until I change it", quarter: "15 minutes", hour: "An hour", today: "Today", time: "Until a time…", timeLabel: "Until",
    invisibleLabel: "Invisible", invisibleHint: "Until then others see you as if you had left just now.", set: "Set", clear: "Clear",
    isSet: "Your status is set.", isCleared: "Your status is cleared.", failed: "That did not work: {why}",
  },
  de: {
    available: "verfügbar", busy: "beschäftigt", away: "abwesend", unavailable: "nicht da", stale: "vielleicht nicht mehr", unknown: "unbekannt",
    myStatus: "Mein Status", nothingSet: "Sie haben keinen Status gesetzt.", setByYou: "Von Ihnen gesetzt.", setByYouUntil: "Von Ihnen gesetzt, bis {time}.",
    until: "bis {time}", invisible: "für andere unsichtbar", pick: "Mit einem Klick wählen", entryFor: "{label}, {duration}",
    status: "Status", message: "Nachricht", messageHint: "Was machen Sie gerade?", end: "Wie lange",
    never: "Bis ich es ändere", quarter: "15 Minuten", hour: "Eine Stunde", today: "Heute", time: "Bis zu einem Zeitpunkt…", timeLabel: "Bis",
    invisibleLabel: "Unsichtbar", invisibleHint: "Bis dahin sieht es für andere so aus, als wären Sie gerade gegangen.", set: "Setzen", clear: "Zurücksetzen",
    isSet: "Ihr Status ist gesetzt.", isCleared: "Ihr Status ist zurückgesetzt.", failed: "Das hat nicht geklappt: {why}",
  },
};

/**
 * Words, numbers and times in the language of whoever reads them: the first of those wanted that there is a table for, else English. A word is a text with
 * {names} in it, or texts by the categories of Intl.PluralRules, among which `count` decides.
 */
export class Texts {
  #table;
  #plurals;
  #formats = new Map();

  /** A table has the words of a language, which is its name; wanted are languages in the order of preference. `locale` is how dates and numbers are written, such as "de-AT"; `language` is that of the words, such as "de". */
  constructor(tables, wanted = globalThis.navigator?.languages ?? []) {
    const base = (tag) => tag.split("-")[0].toLowerCase();
    this.locale = wanted.find((tag) => Object.hasOwn(tables, base(tag))) ?? "en";
    this.language = base(this.locale);
    this.#table = tables[this.language];
    this.#plurals = new Intl.PluralRules(this.locale);
  }

  /** Whether there is a word. */
  has(key) {
    return Object.hasOwn(this.#table, key);
  }

  say(key, values = {}) {
    let text = this.#table[key];
    if (typeof text === "object") text = text[this.#plurals.select(values.count)] ?? text.other;
    return text.replace(/\{(\w+)\}/g, (_, name) => (name === "count" ? this.number(values.count) : values[name]));
  }

  number(n) {
    return this.#format("number", () => new Intl.NumberFormat(this.locale)).format(n);
  }

  /** The time of day, with the day if that is another one. */
  time(when) {
    const at = new Date(when);
    const hours = this.#format("hours", () => new Intl.DateTimeFormat(this.locale, { timeStyle: "short" })).format(at);
    return at.toDateString() === new Date().toDateString() ? hours : `${this.day(at)}, ${hours}`;
  }

  day(when) {
    return this.#format("day", () => new Intl.DateTimeFormat(this.locale, { dateStyle: "medium" })).format(new Date(when));
  }

  /** All of a moment. */
  moment(when) {
    return this.#format("moment", () => new Intl.DateTimeFormat(this.locale, { dateStyle: "full", timeStyle: "medium" })).format(new Date(when));
  }

  /** How long something takes, such as "45 min": in the largest unit that has no remainder, of minutes, hours and days; less than a minute is in seconds. */
  duration(seconds) {
    const [unit, size] = [["day", 86_400], ["hour", 3_600], ["minute", 60]].find(([, size]) => seconds % size === 0) ?? ["second", 1];
    return this.#unit(unit, seconds / size);
  }

  /** How long ago something was, in short. */
  ago(when) {
    const minutes = Math.floor((Date.now() - Date.parse(when)) / 60_000);
    if (minutes < 1) return this.#format("now", () => new Intl.RelativeTimeFormat(this.locale, { numeric: "auto" })).format(0, "second");
    if (minutes < 60) return this.#unit("minute", minutes);
    if (minutes < 24 * 60) return this.#unit("hour", Math.floor(minutes / 60));
    if (minutes < 7 * 24 * 60) return this.#unit("day", Math.floor(minutes / 60 / 24));
    return this.day(when);
  }

  compare(a, b) {
    return this.#format("order", () => new Intl.Collator(this.locale, { numeric: true })).compare(a, b);
  }

  #unit(unit, n) {
    return this.#format(unit, () => new Intl.NumberFormat(this.locale, { style: "unit", unit, unitDisplay: "short" })).format(n);
  }

  #format(name, make) {
    let format = this.#formats.get(name);
    if (!format) this.#formats.set(name, (format = make()));
    return format;
  }
}

// ---- <presence-dot user="alice@example.test"></presence-dot>

let shared = null; // the connection of all dots
let words = new Texts(languages);
let labels = {}; // the page's own words
const dots = new Set(); // those in the page that have a user
const mine = new Set(); // the <presence-me> in the page that have no connection of their own

const label = (key) => labels[key] ?? words.say(key);

/**
 * Connects all elements of the page, those that come later too, and returns the connection for whatever else the page wants to do. The options are those of
 * connect, and `language`: that of the elements, such as "de", if not the browser's; and `labels`: other words for the statuses.
 *
 * @returns {Connection}
 */
export function configure({ labels: own, language, ...options }) {
  const before = shared;
  shared = connect(options);
  labels = { ...labels, ...own };
  if (language) words = new Texts(languages, [language]);
  for (const dot of dots) dot.attach();
  for (const element of mine) element.attach();
  void before?.close();
  return shared;
}

/**
 * The element: a dot with a colour and a shape, and words for whoever sees neither. Its attribute `status` follows, for the page's style sheet.
 * The custom properties --presence-available, --presence-busy, --presence-away and --presence-unavailable set the colours, --presence-size the size (0.75em).
 */
export class PresenceDot extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ["user"];
  static #sheet = null;
  #dot = null;
  #label = null; // what a screen reader reads: it would read the dot's tooltip beside the dot's own label
  #unwatch = null;

  /** Shows a document that the page has already, instead of watching the user. */
  show(user) {
    this.#draw();
    const status = user ? user.status : "unknown";
    if (this.getAttribute("status") !== status) this.setAttribute("status", status);
    this.toggleAttribute("stale", Boolean(user?.stale));
    let text = label(status);
    if (user?.stale) text += ` (${label("stale")})`;
    if (user?.message) text += `: ${user.message}`;
    const name = this.getAttribute("user");
    this.#dot.title = text;
    this.#label.setAttribute("aria-label", name ? `${name}: ${text}` : text);
  }

  connectedCallback() {
    this.#draw();
    if (!this.hasAttribute("user")) return;
    dots.add(this);
    this.attach();
  }

  disconnectedCallback() {
    dots.delete(this);
    this.#detach();
  }

  attributeChangedCallback() {
    if (!this.isConnected) return;
    this.disconnectedCallback();
    this.connectedCallback();
  }

  /** Watches the user over the page's connection. configure calls it. */
  attach() {
    this.#detach();
    this.show(null);
    try {
      this.#unwatch = shared?.watch(this.getAttribute("user"), (user) => this.show(user)) ?? null;
    } catch (fault) {
      console.warn("<presence-dot>:", fault.message);
    }
  }

  #detach() {
    this.#unwatch?.();
    this.#unwatch = null;
  }

  #draw() {
    if (this.#dot) return;
    const root = this.attachShadow({ mode: "open" });
    if (!PresenceDot.#sheet) {
      PresenceDot.#sheet = new CSSStyleSheet(); // which a content security policy allows, unlike <style>
      PresenceDot.#sheet.replaceSync(dotStyle);
    }
    root.adoptedStyleSheets = [PresenceDot.#sheet];
    this.#dot = document.createElement("span");
    this.#dot.setAttribute("part", "dot");
    this.#dot.setAttribute("aria-hidden", "true");
    this.#label = document.createElement("span");
    this.#label.className = "label";
    this.#label.setAttribute("role", "img");
    root.append(this.#dot, this.#label);
  }
}

// Each status has a shape of its own, for colours alone do not tell everybody: available is full, busy has a bar, away is a crescent,
// unavailable a ring; stale is faint.
const dotStyle = `
:host { display: inline-block; position: relative; inline-size: var(--presence-size, 0.75em); block-size: var(--presence-size, 0.75em); --color: var(--presence-unavailable, #8a8f98); }
:host([hidden]) { display: none; }
:host([status="available"]) { --color: var(--presence-available, #2da44e); }
:host([status="busy"]) { --color: var(--presence-busy, #d1242f); }
:host([status="away"]) { --color: var(--presence-away, #bf8700); }
.label { position: absolute; inset: 0; pointer-events: none; }
[part] {
  display: block; box-sizing: border-box; inline-size: 100%; block-size: 100%; border-radius: 50%;
  border: max(1.5px, 0.15em) solid var(--color); forced-color-adjust: none; transition: border-color 0.2s, background-color 0.2s;
}
:host([status="available"]) [part] { background: var(--color); }
:host([status="busy"]) [part] { border: 0; background: linear-gradient(#fff, #fff) center / 56% 20% no-repeat var(--color); }
:host([status="away"]) [part] { border: 0; background: var(--color); --crescent: radial-gradient(circle at 18% 22%, transparent 48%, #000 51%); -webkit-mask: var(--crescent); mask: var(--crescent); }
:host([status="unknown"]) [part] { border-style: dotted; }
:host([stale]) [part] { opacity: 0.5; }
@media (prefers-reduced-motion: reduce) { [part] { transition: none; } }
`;

if (globalThis.customElements && !customElements.get("presence-dot")) customElements.define("presence-dot", PresenceDot);

// ---- <presence-me></presence-me>

/** The statuses in the order in which they are offered. */
const statuses = ["available", "busy", "away", "unavailable"];

/** The ends that can be picked, and what each is: null for none, a Date, or undefined if it is typed. */
const ends = {
  never: () => null,
  quarter: () => new Date(Date.now() + 900_000),
  hour: () => new Date(Date.now() + 3_600_000),
  today: () => new Date(new Date().setHours(23, 59, 59, 0)),
  time: () => undefined,
};

/**
 * The element with which the page's user sets a status by hand: a button that tells the present one, and a panel that it opens. It uses the connection that
 * configure makes, unless it is given another. It is hidden until it is known who the user is, and if a static key has no user.
 *
 * The custom properties --presence-paper, --presence-ink, --presence-soft, --presence-line, --presence-accent and --presence-on-accent set the
 * colours.
 */
export class PresenceMe extends (globalThis.HTMLElement ?? Object) {
  static #sheet = null;
  #connection = null; // its own; null: the page's
  #me = null; // what connection.me() has told
  #user = null; // the user's document
  #unwatch = null;
  #attached = 0; // counts, so that an answer that comes late is not taken
  #again = 0; // the timer after which it is asked again who the user is
  #parts = null; // the elements in it, by name
  #busy = false; // while a request is under way

  /** Uses another connection than the page's; null: none for now. */
  set connection(connection) {
    this.#connection = connection;
    mine.delete(this);
    if (this.isConnected) this.attach();
  }

  connectedCallback() {
    if (!this.#connection) mine.add(this);
    this.attach();
  }

  disconnectedCallback() {
    mine.delete(this);
    this.#detach();
  }

  /** Finds out who the user is, and watches that one. configure calls it. */
  async attach() {
    this.#detach();
    const connection = this.#current;
    const attached = this.#attached;
    for (let failures = 0; connection && attached === this.#attached; failures++) {
      try {
        const me = await connection.me();
        if (attached !== this.#attached || !me.user) return;
        this.#me = me;
        this.#draw();
        this.#unwatch = connection.watch(me.user, (user) => this.#show(user));
        return;
      } catch (error) {
        if (error instanceof PresenceError && !error.temporary) return; // the connection's state tells why
        await new Promise((done) => (this.#again = setTimeout(done, pauseAfter(failures, firstPause))));
      }
    }
  }

  get #current() {
    return this.#connection ?? shared;
  }

  #detach() {
    this.#attached++;
    clearTimeout(this.#again);
    this.#unwatch?.();
    this.#unwatch = this.#me = this.#user = null;
    this.hidden = true;
    if (this.#parts) this.#close(false);
  }

  /** Shows what the user's status is. */
  #show(user) {
    this.#user = user;
    this.hidden = false;
    const { dot, name, brief, toggle, now, clear } = this.#parts;
    const by = user.protocols.manual;
    const time = by?.expires ? words.time(by.expires) : "";
    const more = [user.invisible && words.say("invisible"), time && words.say("until", { time })];
    dot.show(user);
    name.textContent = this.#me.display_name ?? this.#me.user;
    brief.textContent = [label(user.status), ...more].filter(Boolean).join(", ");
    toggle.title = [label(user.status), user.message, ...more].filter(Boolean).join(", ");
    if (!by) now.textContent = words.say("nothingSet");
    else now.textContent = words.say(time ? "setByYouUntil" : "setByYou", { time });
    clear.disabled = !by;
  }

  #draw() {
    if (this.#parts) return this.#offer();
    const root = this.attachShadow({ mode: "open" });
    if (!PresenceMe.#sheet) {
      PresenceMe.#sheet = new CSSStyleSheet();
      PresenceMe.#sheet.replaceSync(meStyle);
    }
    root.adoptedStyleSheets = [PresenceMe.#sheet];
    root.append(...this.#build());
    const { toggle, panel, form, clear, end, invisible } = this.#parts;
    toggle.addEventListener("click", () => (panel.hidden ? this.#open() : this.#close()));
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#close();
      event.stopPropagation(); // the page's own keys are not meant for who types here
    });
    this.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && this.#close(false)); // it does not come while the focus stays in here
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    clear.addEventListener("click", () => this.#carryOut("isCleared", (connection, user) => connection.clear({ user })));
    for (const control of [end, invisible]) control.addEventListener("change", () => this.#arrange());
    this.#offer();
  }

  /** Makes the elements. */
  #build() {
    const parts = (this.#parts = {});
    const make = (name, tag, attributes = {}, ...children) => {
      const made = (parts[name] = document.createElement(tag));
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      made.append(...children);
      return made;
    };
    const field = (key, control) => make(`${key}Field`, "label", { class: "field" }, make(`${key}Label`, "span", {}, words.say(key)), control);
    const toggle = make("toggle", "button", { type: "button", part: "button", "aria-expanded": "false", "aria-haspopup": "dialog" },
      make("dot", "presence-dot", { "aria-hidden": "true" }), make("what", "span", { class: "said" }, `${words.say("myStatus")}: `), make("name", "span", { class: "name" }), make("brief", "span", { class: "brief" }));
    const choices = statuses.map((status) => make(status, "label", {},
      make(`${status}Radio`, "input", { type: "radio", name: "status", value: status }), make(`${status}Dot`, "presence-dot", { "aria-hidden": "true" }), label(status)));
    const options = Object.keys(ends).map((key) => make(`${key}Option`, "option", { value: key }, words.say(key)));
    const form = make("form", "form", {},
      make("statuses", "fieldset", {}, make("legend", "legend", {}, words.say("status")), ...choices),
      field("message", make("message", "input", { type: "text", maxlength: "1000", autocomplete: "off", placeholder: words.say("messageHint") })),
      field("end", make("end", "select", {}, ...options)),
      field("timeLabel", make("time", "input", { type: "datetime-local", required: "" })),
      make("invisibleField", "label", { class: "check" }, make("invisible", "input", { type: "checkbox", "aria-describedby": "hint" }), words.say("invisibleLabel")),
      make("hint", "p", { id: "hint", class: "soft" }, words.say("invisibleHint")),
      make("fault", "p", { class: "fault", role: "alert", hidden: "" }),
      make("actions", "div", { class: "actions" }, make("submit", "button", { type: "submit", class: "main" }, words.say("set")),
        make("clear", "button", { type: "button", disabled: "" }, words.say("clear"))));
    const panel = make("panel", "div", { part: "panel", role: "dialog", "aria-label": words.say("myStatus"), hidden: "" },
      make("now", "p", { class: "soft" }), make("entries", "div", { class: "entries", role: "group", "aria-label": words.say("pick") }), form);
    for (const status of statuses) parts[`${status}Dot`].show({ status });
    return [toggle, panel, make("said", "p", { class: "said", role: "status" })];
  }

  /** Offers the site's entries. */
  #offer() {
    const { entries } = this.#parts;
    entries.hidden = !this.#me.status_entries.length;
    entries.replaceChildren(...this.#me.status_entries.map((entry) => {
      const button = document.createElement("button");
      const dot = document.createElement("presence-dot");
      button.type = "button";
      dot.setAttribute("aria-hidden", "true");
      dot.show(entry);
      button.append(dot, entry.for ? words.say("entryFor", { label: entry.label, duration: words.duration(entry.for) }) : entry.label);
      const set = (connection, user) => connection.set(entry.status, { user, message: entry.label, activity: entry.activity ?? undefined, ttl: entry.for ?? undefined });
      button.addEventListener("click", () => this.#carryOut("isSet", set));
      return button;
    }));
  }

  /** Opens the panel, with what is set by hand in its form; else with nothing. */
  #open() {
    const { toggle, panel, message, end, time, invisible, fault } = this.#parts;
    const by = this.#user.protocols.manual;
    const status = by?.status ?? "available";
    this.#parts[`${status}Radio`].checked = true;
    message.value = by?.message ?? "";
    end.value = by?.expires ? "time" : "never";
    time.min = localTime(Date.now() + 60_000);
    time.value = localTime(by?.expires ?? Date.now() + 3_600_000);
    invisible.checked = Boolean(this.#user.invisible);
    fault.hidden = true;
    panel.hidden = false;
    document.addEventListener("pointerdown", this.#leave);
    toggle.setAttribute("aria-expanded", "true");
    this.#arrange();
    this.#place();
    this.#parts[`${status}Radio`].focus();
    void this.#refresh();
  }

  /** Asks anew what the site offers: it may have changed since. */
  async #refresh() {
    const attached = this.#attached;
    try {
      const me = await this.#current.me();
      if (attached !== this.#attached || JSON.stringify(me.status_entries) === JSON.stringify(this.#me.status_entries)) return;
      this.#me = me;
      this.#offer();
    } catch {
      // what was offered stays
    }
  }

  /** Keeps the panel in the window. */
  #place() {
    const { panel } = this.#parts;
    panel.style.translate = "";
    const { left, right } = panel.getBoundingClientRect();
    const gap = 8;
    const over = left < gap ? gap - left : Math.min(innerWidth - gap - right, 0);
    if (over) panel.style.translate = `${Math.round(over)}px`;
  }

  #close(back = true) {
    const { toggle, panel } = this.#parts;
    if (panel.hidden) return;
    panel.hidden = true;
    document.removeEventListener("pointerdown", this.#leave);
    toggle.setAttribute("aria-expanded", "false");
    if (back) toggle.focus();
  }

  #leave = (event) => {
    if (!event.composedPath().includes(this)) this.#close(false);
  };

  /** Lets the form fit what is picked: who is invisible needs an end. */
  #arrange() {
    const { end, time, timeLabelField, invisible, hint, neverOption } = this.#parts;
    neverOption.disabled = invisible.checked;
    if (invisible.checked && end.value === "never") end.value = "today";
    timeLabelField.hidden = time.disabled = end.value !== "time";
    hint.hidden = !invisible.checked;
  }

  #submit() {
    const { form, message, end, time, invisible } = this.#parts;
    const status = new FormData(form).get("status");
    const until = ends[end.value]() ?? (end.value === "time" ? new Date(time.value) : undefined);
    const by = this.#user.protocols.manual;
    const same = by && by.status === status && by.message === message.value.trim(); // then its activity stays, which the form does not show
    this.#carryOut("isSet", (connection, user) => connection.set(status, {
      user, message: message.value.trim(), activity: (same && by.activity) || undefined, until, invisible: invisible.checked,
    }));
  }

  /** Carries out a request, and says what came of it. */
  async #carryOut(done, request) {
    if (this.#busy) return;
    this.#busy = true;
    const { panel, fault, said } = this.#parts;
    panel.setAttribute("aria-busy", "true");
    said.textContent = "";
    try {
      await request(this.#current, this.#me.user);
      this.#close();
      said.textContent = words.say(done);
    } catch (error) {
      const why = error.errors?.map((fault) => fault.detail).join("; ") || error.message;
      fault.textContent = words.say("failed", { why });
      fault.hidden = false;
    } finally {
      this.#busy = false;
      panel.removeAttribute("aria-busy");
    }
  }
}

/** A moment as <input type="datetime-local"> has it. */
function localTime(when) {
  const at = new Date(when);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const meStyle = `
:host {
  display: inline-block; position: relative; max-inline-size: 100%; text-align: start; color: var(--presence-ink, CanvasText);
  --its-ground: var(--presence-paper, Canvas); --its-border: var(--presence-line, #8886); --its-hint: var(--presence-soft, inherit);
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; font: inherit; color: inherit; }
p { margin: 0; }
button, input, select { border: 1px solid var(--its-border); border-radius: 8px; background: var(--its-ground); padding: 0.4em 0.7em; }
button { cursor: pointer; }
button:disabled { cursor: default; opacity: 0.55; }
:focus-visible { outline: 2px solid var(--presence-accent, currentColor); outline-offset: 2px; }
[part="button"] { display: flex; align-items: center; gap: 0.5em; max-inline-size: 100%; padding: 0.25em 0.7em; border-radius: 999px; }
.name, .brief { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
[part="button"] presence-dot { flex: none; }
.name { flex: 0 1 auto; font-weight: 600; }
.brief { flex: 0 9999 auto; color: var(--its-hint); } /* the first to give way */
[part="button"]::after {
  content: ""; flex: none; inline-size: 0.4em; block-size: 0.4em; margin-block-start: -0.2em; border: solid currentColor; border-width: 0 1.5px 1.5px 0; rotate: 45deg;
}
[part="panel"] {
  position: absolute; inset-block-start: calc(100% + 6px); inset-inline-end: 0; z-index: 10; inline-size: min(23em, 100vw - 16px); max-block-size: calc(100vh - 5em); overflow-y: auto;
  padding: 1em; border: 1px solid var(--its-border); border-radius: 12px; background: var(--its-ground); box-shadow: 0 8px 28px rgb(0 0 0 / 22%);
}
[aria-busy="true"] { opacity: 0.7; }
.soft { color: var(--its-hint); font-size: 0.87em; }
.entries { display: flex; flex-wrap: wrap; gap: 0.4em; margin-block-start: 0.7em; }
.entries button { display: flex; align-items: center; gap: 0.5em; border-radius: 999px; padding: 0.25em 0.75em; font-size: 0.93em; }
button:not(:disabled):hover { border-color: var(--presence-accent, currentColor); }
form { display: grid; gap: 0.75em; margin-block-start: 0.8em; }
fieldset { display: grid; grid-template-columns: 1fr 1fr; gap: 0.3em; margin: 0; padding: 0; border: 0; }
legend, .field > span { padding: 0; margin-block-end: 0.25em; font-size: 0.87em; font-weight: 600; }
fieldset label, .check { display: flex; align-items: center; gap: 0.5em; cursor: pointer; }
fieldset label { padding: 0.35em 0.6em; border: 1px solid var(--its-border); border-radius: 8px; }
fieldset label:has(:checked) { border-color: var(--presence-accent, currentColor); box-shadow: inset 0 0 0 1px var(--presence-accent, currentColor); }
fieldset input { appearance: none; inline-size: 0; block-size: 0; margin: 0; padding: 0; border: 0; }
fieldset input:focus-visible { outline: 0; }
fieldset label:has(:focus-visible) { outline: 2px solid var(--presence-accent, currentColor); outline-offset: 2px; }
.field { display: grid; }
.field input, .field select { inline-size: 100%; min-inline-size: 0; }
.check input { inline-size: 1.1em; block-size: 1.1em; margin: 0; accent-color: var(--presence-accent, auto); }
.fault { padding: 0.5em 0.7em; border-inline-start: 3px solid var(--presence-busy, #d1242f); overflow-wrap: anywhere; }
.actions { display: flex; gap: 0.5em; }
.main { flex: 1; border-color: transparent; background: var(--presence-accent, CanvasText); color: var(--presence-on-accent, Canvas); font-weight: 600; }
.said { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 30rem) {
  [part="button"] { padding-inline: 0.6em; }
  .brief { position: absolute; inline-size: 1px; block-size: 1px; clip-path: inset(50%); } /* still to be heard */
}
@media (forced-colors: active) { fieldset label:has(:checked) { outline: 2px solid Highlight; } }
`;

if (globalThis.customElements && !customElements.get("presence-me")) customElements.define("presence-me", PresenceMe);
