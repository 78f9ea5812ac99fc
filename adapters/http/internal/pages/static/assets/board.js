// The board: signing in, the connection and what is said about it. signin.js signs people in by an OpenID provider, people.js shows the people.

import { PresenceError, connect, userOf } from "../client.js";
import { beside } from "./address.js";
import { People } from "./people.js";
import { returning, waysIn, whyRefused } from "./signin.js";
import { tab } from "./tab.js";
import { say, texts, translate } from "./texts.js";

const $ = (id) => document.getElementById(id);
const kept = { token: "presence.token", source: "presence.token-url", provider: "presence.provider", users: "presence.users" }; // for the tab alone

const people = new People(announce);
let connection = null;
let provider = null; // by which people can sign in; null: none, or not known yet
let user = ""; // who is signed in
let unwatch = null; // ends what is watched
let countdown = 0;
let before = ""; // the name of the state that was told last

function start() {
  document.documentElement.lang = texts.language;
  document.title = say("title");
  translate();
  $("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    signIn($("token").value);
  });
  $("naming").addEventListener("submit", (event) => {
    event.preventDefault();
    watchNamed($("users").value);
  });
  $("provider").addEventListener("click", () => leave());
  $("use-token").addEventListener("click", () => {
    useToken(true);
    $("token").focus();
  });
  $("sign-out").addEventListener("click", () => signOut());
  $("rename").addEventListener("click", () => askWhoToSee());
  $("show-groups").addEventListener("click", () => watchGroups());
  $("retry").addEventListener("click", () => connection?.retry());
  addEventListener("hashchange", takeFragment);
  new ResizeObserver(([{ target }]) => { // what gets the focus is not to hide behind the top, which stays
    document.documentElement.style.scrollPaddingBlockStart = `${target.offsetHeight + 8}px`;
  }).observe(document.querySelector(".top"));
  const ways = findWaysIn();
  if (takeFragment()) return;
  const [token, source] = [kept.token, kept.source].map((key) => tab.get(key));
  if (source && !returning()) fetchTokens(source);
  else if (token && !returning()) signIn(token);
  else ways.then(comeIn);
}

/** Asks the daemon how people can sign in, and returns the user that a proxy has signed in already, if there is one. */
async function findWaysIn() {
  try {
    const ways = await waysIn();
    provider = ways.provider;
    provider?.addEventListener("ended", ({ detail }) => {
      tab.remove(kept.provider);
      disconnect();
      hide("sign-out", "connection", "retry");
      askToken(detail);
    });
    offerProvider();
    return ways.user;
  } catch (fault) {
    fill("sign-in-fault", fault.message);
    return null;
  }
}

/** Signs in without asking: as the user that the proxy names, or by the provider, if it has sent the person back or this tab was signed in by it. */
async function comeIn(named) {
  if (named) return enter(named, null);
  if (!provider || !returning()) return tab.get(kept.provider) ? leave() : askToken($("sign-in-fault").textContent);
  try {
    enter(await provider.complete(), provider.token);
    tab.set(kept.provider, "yes");
  } catch (fault) {
    tab.remove(kept.provider);
    askToken(fault.message);
  }
}

/** Goes to the provider, and comes back with the page loaded anew. */
async function leave() {
  try {
    await provider.leave();
  } catch (fault) {
    tab.remove(kept.provider);
    askToken(fault.message);
  }
}

/** Signs in with what the address has, which is taken out first: nobody is to read it over a shoulder. */
function takeFragment() {
  const found = location.hash.match(/^#(?:.*&)?(code|token|token-url)=([^&]*)/);
  if (!found) return false;
  history.replaceState(null, "", location.pathname + location.search);
  let value = found[2];
  try {
    value = decodeURIComponent(value); // a + is a +: a token has some
  } catch {
    // it was not encoded
  }
  if (found[1] === "code") exchange(value);
  else if (found[1] === "token-url") fetchTokens(value);
  else signIn(value);
  return true;
}

/** Signs in with the token that the daemon gives for a code, once: the code stays in the browser's history. */
async function exchange(code) {
  try {
    const headers = { Authorization: `Bearer ${encodeURIComponent(code)}` };
    const answer = await fetch(beside("v1/token"), { method: "POST", headers, cache: "no-store" });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.detail ? whyRefused(body.detail) : say("answersWith", { who: say("theDaemon"), status: answer.status }));
    signIn(body.token);
  } catch (fault) {
    const token = tab.get(kept.token);
    if (token) signIn(token); // the page was opened by the same link once more
    else askToken(say("linkFailed", { why: fault.message }));
  }
}

/** Signs in with tokens that an address of this server, or of the proxy in front of it, hands out whenever one is needed. */
async function fetchTokens(address) {
  const token = async () => {
    const answer = await fetch(beside(address), { cache: "no-store" });
    if (!answer.ok) throw new Error(say("answersWith", { who: address, status: answer.status }));
    return (await answer.text()).trim();
  };
  try {
    signIn(await token(), token);
    if (connection) tab.set(kept.source, address);
  } catch (fault) {
    askToken(say("fetchFailed", { why: fault.message }));
  }
}

/** Signs in with a token, or with a function whose first one it is. */
function signIn(token, source = null) {
  token = token.trim();
  if (!/^\d+:[^:]+.*:[A-Za-z0-9+/=]+$/.test(token)) {
    askToken(say("noToken"));
    return;
  }
  $("token").value = "";
  if (source) {
    tab.remove(kept.token);
  } else {
    tab.set(kept.token, token);
    tab.remove(kept.source);
  }
  enter(userOf(token), source ?? token);
}

/** Shows where to enter a token, or only what leads there. */
function useToken(yes) {
  $("by-token").hidden = !yes;
  $("use-token").hidden = yes;
}

/** Shows the board to a user who has signed in. With null for a token, a proxy has seen to that, and only it can sign the user out. */
function enter(as, token) {
  const same = as === user;
  user = as;
  $("connection").hidden = false;
  $("sign-out").hidden = token === null;
  const asked = $("sign-in").contains(document.activeElement);
  hide("sign-in");
  if (unwatch && same) {
    connection.token = token; // it goes on where the old one ended
    $("me").connection = connection;
    if (asked) $("people").focus();
    return;
  }
  disconnect();
  connection = connect({ token });
  connection.addEventListener("state", () => tell(connection.state));
  $("me").connection = connection;
  $("naming-why").textContent = say("onlyServices", { user });
  void watchAllowed();
  if (asked) $("people").focus();
}

function signOut() {
  const provided = tab.get(kept.provider);
  disconnect();
  user = "";
  for (const key of Object.values(kept)) tab.remove(key);
  $("users").value = "";
  hide("sign-out", "connection", "retry");
  askToken();
  if (provided) provider?.signOut();
}

function disconnect() {
  clearInterval(countdown);
  $("me").connection = null;
  void connection?.close();
  connection = unwatch = null;
  people.clear();
  people.setGroups(new Map());
  hide("naming", "people", "tools", "rename", "show-groups");
}

/** Watches everybody, if the user may, else the list that the tab keeps, or the groups. */
async function watchAllowed() {
  const asked = connection;
  const users = tab.get(kept.users);
  tell({ name: "connecting" });
  people.waitForAll();
  showPeople(false);
  try {
    const { service } = await asked.me();
    if (asked !== connection) return;
    if (service) watchAll();
    else if (users) watchNamed(users);
    else void watchGroups();
  } catch (error) {
    if (asked !== connection) return;
    if (error instanceof PresenceError && !error.temporary) tell({ name: "refused", error });
    else if (users) watchNamed(users);
    else watchAll(); // that tells what is wrong, and tries again
  }
}

function watchAll() {
  unwatch = connection.watchAll((person) => people.update(person), () => {
    people.complete();
    void learnGroups();
  });
}

/** Finds out who is in which group, to show them together. A daemon that cannot tell has none. Returns the members of all, in no order. */
async function learnGroups() {
  const asked = connection;
  const memberships = new Map();
  try {
    const groups = await asked.groups();
    await Promise.all(groups.filter(({ members }) => members !== null).map(async ({ group }) => { // null: so many that no list has them
      for (const id of await asked.members(group)) memberships.set(id, [...(memberships.get(id) ?? []), group]);
    }));
  } catch (fault) {
    console.info("the groups are not known:", fault.message);
  }
  if (asked === connection) people.setGroups(memberships);
  return [...memberships.keys()];
}

/** Watches the members of all groups, for those who may not watch everybody. Without a group it asks who to watch. */
async function watchGroups() {
  const asked = connection;
  const members = await learnGroups();
  if (asked !== connection) return;
  if (!members.length) return askWhoToSee();
  tab.remove(kept.users);
  $("show-groups").hidden = false;
  let known = false;
  watch(members, async () => {
    if (!known) return (known = true);
    const now = await learnGroups();
    const same = now.length === members.length && now.every((id) => members.includes(id));
    if (!same && asked === connection && !tab.get(kept.users)) void watchGroups();
  });
}

function watchNamed(text) {
  const users = [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
  try {
    if (!users.length) throw new TypeError(say("nameOne"));
    const asked = connection;
    watch(users, async () => {
      const members = await learnGroups();
      if (asked === connection) $("show-groups").hidden = !members.length;
    });
  } catch (fault) {
    askWhoToSee(fault.message);
    return;
  }
  tab.set(kept.users, users.join(" "));
}

/** Watches some users, and nobody else. */
function watch(users, ready) {
  people.clear();
  unwatch?.();
  unwatch = null;
  unwatch = connection.watch(users, (person) => people.update(person), ready);
  hide("naming");
  people.complete();
  showPeople(true);
  if (document.activeElement === document.body) $("people").focus(); // the form is gone
}

function showPeople(named) {
  $("people").hidden = $("tools").hidden = false;
  $("rename").hidden = !named;
}

function askToken(fault = "") {
  fill("sign-in-fault", fault);
  $("sign-in").hidden = false;
  if (fault) $("token").setAttribute("aria-invalid", "true");
  else $("token").removeAttribute("aria-invalid");
  offerProvider();
  $(provider ? "provider" : "token").focus();
}

/** Offers the provider first, if there is one, and a token to whoever asks for that. */
function offerProvider() {
  if (!provider || !$("provider").hidden) return;
  $("provider").textContent = say("signInWith", { provider: provider.name });
  $("provider").hidden = false;
  useToken($("token").value !== "");
}

function askWhoToSee(fault = "") {
  unwatch?.();
  unwatch = null;
  people.clear();
  hide("people", "tools");
  fill("naming-fault", fault);
  $("users").value = tab.get(kept.users)?.replaceAll(" ", "\n") ?? $("users").value;
  $("naming").hidden = false;
  $("users").focus();
}

/** Tells how the connection is, and reacts to refusals. */
function tell({ name, error, retryAt }) {
  const sign = $("connection");
  clearInterval(countdown);
  sign.dataset.state = name;
  if (name !== "connecting") $("retry").hidden = name !== "waiting"; // it keeps the focus while it is tried
  document.body.classList.toggle("outdated", name === "waiting" || name === "refused");
  sign.textContent = name === "waiting" ? "" : say(name === "refused" ? "idle" : name);
  sign.title = error?.message ?? "";
  if (name === "waiting") {
    const show = () => {
      const seconds = Math.ceil((retryAt - Date.now()) / 1000);
      sign.textContent = seconds > 0 ? say("lostFor", { seconds }) : say("lost");
    };
    show();
    countdown = setInterval(show, 1000);
  }
  if (name === before) return;
  if (name === "waiting") announce(say("lostAloud"));
  if (name === "live" && before === "waiting") announce(say("backAloud"));
  before = name;
  if (name === "refused") refused(error);
}

function refused(error) {
  if (error.status === 401) {
    tab.remove(kept.token);
    const old = people.size > 0;
    if (!old) hide("people", "tools");
    const why = whyRefused(error.detail);
    const expired = old ? "tokenExpiredOutdated" : "tokenExpired";
    askToken(say(/expired/.test(why) ? expired : "tokenRefused", { why }));
  } else if (error.status === 403) {
    unwatch?.();
    unwatch = null;
    void watchGroups();
  } else if (!$("rename").hidden) { // it was a list
    const faults = error.errors.map((fault) => fault.detail).join("; ");
    askWhoToSee(say("listRefused", { why: faults || error.message }));
  } else {
    askToken(say("refused", { why: error.message }));
  }
}

function fill(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

function hide(...ids) {
  for (const id of ids) $(id).hidden = true;
}

/** Says something to people who cannot see it; nothing about single users, who would never stop changing. */
function announce(text) {
  $("announcer").textContent = text;
}

start();
