// One person's row: what decides, and on demand what every protocol says. people.js makes and keeps the rows.

import { activityName, say, sentence, texts } from "./texts.js";

/** Why a user's status is what it is, in a sentence. */
function reasonOf({ reason, by, rule, status }) {
  if (reason === "unknown" && status !== "unavailable") return say("statusAlone"); // who sees more is told why
  const key = reason === "precedence" && rule === "manual" ? "reason manual" : `reason ${reason}`;
  return texts.has(key) ? sentence(say(key, { by, rule, status: say(status) })) : "";
}

/** Makes the row of a person. */
export function makeRow(person) {
  const row = element("div", "row");
  row.setAttribute("role", "listitem");
  const details = element("details");
  const summary = element("summary");
  const face = element("span", "face");
  face.setAttribute("aria-hidden", "true"); // the words are beside it
  face.append(element("span", "initials"), document.createElement("presence-dot"));
  face.dataset.tint = tintOf(person.user.user);
  const name = element("span", "name");
  name.title = person.user.user;
  name.append(element("span"), element("span", "account"));
  summary.append(face, name, element("span", "status"), element("span", "message"), element("span", "by"), element("span", "since"));
  details.append(summary);
  row.append(details);
  updateRow(row, person, false);
  return row;
}

/** Shows what is known of a person now, and lets the eye notice it if that is news. */
export function updateRow(row, { user, account }, news) {
  const summary = row.querySelector("summary");
  const [name, beside] = summary.querySelector(".name").children;
  fill(name, user.display_name ?? account);
  const same = user.display_name?.localeCompare(account, texts.locale, { sensitivity: "base" }) === 0;
  fill(beside, user.display_name && !same ? ` (${account})` : ""); // which tells those apart who are called the same
  fill(summary.querySelector(".initials"), initialsOf(user.display_name ?? account));
  const before = row.dataset.shown;
  row.dataset.shown = `${user.status} ${text(user)}`;
  row.classList.toggle("gone", user.status === "unavailable");
  summary.querySelector("presence-dot").show(user);
  fill(summary.querySelector(".status"), user.stale ? `${say(user.status)}?` : say(user.status));
  summary.querySelector(".status").title = user.stale ? say("staleTitle") : "";
  const message = summary.querySelector(".message");
  fill(message, text(user));
  message.title = text(user);
  fill(summary.querySelector(".by"), user.by ?? "");
  fillSince(summary.querySelector(".since"), user.since, endOf(user));
  if (news && before !== row.dataset.shown) pulse(row);
  if (row.querySelector("details").open) detail(row, { user });
}

/** The first letters of the first and the last word; of an account the words may have dots and the like between them. */
function initialsOf(name) {
  const words = name.split(/\s/.test(name) ? /\s+/ : /[._\-+]+/).map((word) => word.replace(/^[^\p{L}\p{N}]+/u, "")).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => Array.from(word)[0].toLocaleUpperCase(texts.locale)).join("");
}

/** One of six tints, always the same for a user. */
function tintOf(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)) % 65_521;
  return sum % 6;
}

/** What is said beside the status. */
function text(user) {
  const doing = [activity(user), user.message].filter(Boolean).join(": ");
  return user.invisible ? `${doing} (${say("invisible")})`.trim() : doing;
}

/** Of some activities: such as every system has, also one without pictures in colour. */
const symbols = { "on-the-phone": "☎", vacation: "☀", travel: "✈", breakfast: "☕", lunch: "☕", dinner: "☕", meal: "☕" };

/** What a user is doing, as a symbol and a word. */
function activity({ activity }) {
  return activity ? [symbols[activity], activityName(activity)].filter(Boolean).join(" ") : "";
}

/** Shows or hides what every protocol says. */
export function detail(row, { user }) {
  const details = row.querySelector("details");
  details.querySelector(".detail")?.remove();
  if (!details.open) return;
  const box = element("div", "detail");
  const list = element("ul");
  for (const [protocol, presence] of Object.entries(user.protocols).sort(([a], [b]) => (b === user.by) - (a === user.by) || (a < b ? -1 : 1))) {
    list.append(protocolItem(protocol, presence, protocol === user.by));
  }
  const next = user.next ? say("nextIs", { time: texts.time(user.next.at), status: say(user.next.status) }) : "";
  box.append(element("p", "why", `${user.user}. ${reasonOf(user)} ${next}`.trim()), list);
  details.append(box);
}

function protocolItem(protocol, presence, decides) {
  const item = element("li", decides ? "decides" : "");
  const dot = document.createElement("presence-dot");
  dot.setAttribute("aria-hidden", "true");
  const words = element("span", "words", say(presence.status));
  if (presence.activity) words.append(`, ${activity(presence)}`);
  if (presence.message) words.append(": ", element("q", "", presence.message));
  const times = element("span", "times");
  const add = (key, when) => {
    if (!when) return;
    if (times.childNodes.length) times.append(", ");
    times.append(...around(say(key, { time: mark }), moment(when)));
  };
  add("since", presence.since);
  add("idleSince", presence.idle_since);
  add("confirmed", presence.updated);
  add(protocol === "manual" ? "until" : "expires", presence.expires);
  if (presence.stale) times.append(`; ${say("staleSource")}`);
  item.append(dot, element("span", "protocol", protocol), words, times);
  dot.show(presence);
  return item;
}

/** Brings the times in all rows that are there up to date. */
export function tick(root) {
  for (const time of root.querySelectorAll("time[data-ago]")) fill(time, texts.ago(time.dateTime));
}

/** Tells since when it is so, or until when and what comes then if that is known. */
function fillSince(box, since, { until, then }) {
  const key = `${since} ${until} ${then}`;
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren();
  box.title = "";
  if (!since) return;
  box.title = say("since", { time: texts.moment(since) });
  if (until) {
    const end = moment(until);
    const next = then ? say("then", { status: say(then) }) : "";
    end.title = box.title = say("untilSince", { until: texts.moment(until), since: texts.moment(since) }) + next; // there may be no room for all of it
    box.append(...around(say("until", { time: mark }), end));
    if (next) box.append(element("span", "then", next));
    return;
  }
  const time = element("time", "", texts.ago(since));
  time.dateTime = since;
  time.dataset.ago = "";
  box.append(element("span", "hidden", `${say("sinceWord")} `), time);
}

/** Stands in a text for the element that belongs there. */
const mark = "\u0000";

/** A text with an element in the place of the mark. */
function around(text, element) {
  const [before, after] = text.split(mark);
  return [before, element, after].filter((part) => part !== "");
}

/** When it ends, if anybody has said so, and what comes then. */
function endOf({ next, by, protocols }) {
  if (next) return { until: next.at, then: next.status };
  return { until: by === "manual" ? protocols[by]?.expires : null };
}

function moment(when) {
  const time = element("time", "", texts.time(when));
  time.dateTime = when;
  time.title = texts.moment(when);
  return time;
}

function pulse(row) {
  row.classList.remove("news");
  void row.offsetWidth; // begins the animation anew
  row.classList.add("news");
}

function fill(box, text) {
  if (box.textContent !== text) box.textContent = text;
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
