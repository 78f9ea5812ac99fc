// The board: signing in, the connection and what is said about it. people.js shows the people.

import { connect, userOf } from "../client.js";
import { People } from "./people.js";
import { say, texts, translate } from "./texts.js";

const $ = (id) => document.getElementById(id);
const kept = { token: "presence.token", source: "presence.token-url", users: "presence.users" }; // in the tab's session storage, which ends with the tab

const people = new People(announce);
let connection = null;
let user = ""; // the token's
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
  $("sign-out").addEventListener("click", () => signOut());
  $("rename").addEventListener("click", () => askWhom());
  $("retry").addEventListener("click", () => connection?.retry());
  addEventListener("hashchange", takeFragment);
  new ResizeObserver(([{ target }]) => { // what gets the focus is not to hide behind the top, which stays
    document.documentElement.style.scrollPaddingBlockStart = `${target.offsetHeight + 8}px`;
  }).observe(document.querySelector(".top"));
  if (takeFragment()) return;
  const [token, source] = [kept.token, kept.source].map((key) => sessionStorage.getItem(key));
  if (source) fetchTokens(source);
  else if (token) signIn(token);
  else askToken();
}

/** Signs in with what the address has, which is taken out of it before anything else happens: nobody is to read it over a shoulder. */
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
    const answer = await fetch("v1/token", { method: "POST", headers, cache: "no-store" });
    const document = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(document.detail?.replace(/^not authenticated: /, "") ?? say("answersWith", { who: say("theDaemon"), status: answer.status }));
    signIn(document.token);
  } catch (fault) {
    const token = sessionStorage.getItem(kept.token);
    if (token) signIn(token); // the page was opened by the same link once more
    else askToken(say("linkFailed", { why: fault.message }));
  }
}

/** Signs in with tokens that an address of this server, or of the proxy in front of it, hands out whenever one is needed. */
async function fetchTokens(address) {
  const token = async () => {
    const answer = await fetch(new URL(address, location.href), { cache: "no-store" });
    if (!answer.ok) throw new Error(say("answersWith", { who: address, status: answer.status }));
    return (await answer.text()).trim();
  };
  try {
    signIn(await token(), token);
    if (connection) sessionStorage.setItem(kept.source, address);
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
  if (source) sessionStorage.removeItem(kept.token);
  else sessionStorage.setItem(kept.token, token);
  if (!source) sessionStorage.removeItem(kept.source);
  const same = userOf(token) === user;
  user = userOf(token);
  for (const id of ["sign-out", "connection"]) $(id).hidden = false;
  const asked = $("sign-in").contains(document.activeElement);
  hide("sign-in");
  if (connection && same) {
    connection.token = source ?? token; // it goes on where the old one ended
    $("me").connection = connection;
    if (asked) $("people").focus();
    return;
  }
  disconnect();
  connection = connect({ token: source ?? token });
  connection.addEventListener("state", () => tell(connection.state));
  $("me").connection = connection;
  const users = sessionStorage.getItem(kept.users);
  if (users) watchNamed(users);
  else watchAll();
  if (asked) $("people").focus();
}

function signOut() {
  disconnect();
  user = "";
  for (const key of Object.values(kept)) sessionStorage.removeItem(key);
  $("users").value = "";
  for (const id of ["sign-out", "connection", "retry"]) $(id).hidden = true;
  askToken();
}

function disconnect() {
  clearInterval(countdown);
  $("me").connection = null;
  void connection?.close();
  connection = null;
  people.clear();
  for (const id of ["naming", "people", "tools", "rename"]) hide(id);
}

function watchAll() {
  people.waitForAll();
  showPeople(false);
  unwatch = connection.watchAll((person) => people.update(person), () => people.complete());
}

function watchNamed(text) {
  const users = [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
  people.clear();
  unwatch?.();
  unwatch = null;
  try {
    if (!users.length) throw new TypeError(say("nameOne"));
    unwatch = connection.watch(users, (person) => people.update(person));
  } catch (fault) {
    askWhom(fault.message);
    return;
  }
  sessionStorage.setItem(kept.users, users.join(" "));
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
  $("token").focus();
}

function askWhom(fault = "") {
  unwatch?.();
  unwatch = null;
  people.clear();
  for (const id of ["people", "tools"]) hide(id);
  fill("naming-fault", fault);
  $("users").value = sessionStorage.getItem(kept.users)?.replaceAll(" ", "\n") ?? $("users").value;
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
    sessionStorage.removeItem(kept.token);
    const old = people.size > 0;
    if (!old) for (const id of ["people", "tools"]) hide(id);
    const why = error.detail.replace(/^not authenticated: /, "");
    const expired = old ? "tokenExpiredOutdated" : "tokenExpired";
    askToken(say(/expired/.test(why) ? expired : "tokenRefused", { why }));
  } else if (error.status === 403) {
    $("naming-why").textContent = say("onlyServices", { user });
    askWhom();
  } else if (sessionStorage.getItem(kept.users)) {
    const faults = error.errors.map((fault) => fault.detail).join("; ");
    askWhom(say("listRefused", { why: faults || error.message }));
  } else {
    askToken(say("refused", { why: error.message }));
  }
}

function fill(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

function hide(id) {
  $(id).hidden = true;
}

/** Says something to who cannot see it; nothing about single people, who would never stop changing. */
function announce(text) {
  $("announcer").textContent = text;
}

start();
