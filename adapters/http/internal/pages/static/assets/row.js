// One person's row: what decides, and on demand what every protocol says. people.js makes and keeps the rows.

const reasons = {
  only: (user) => `Only ${user.by} knows this user.`,
  precedence: (user) => `${user.by} decides: ${user.rule === "manual" ? "it was set by hand" : `this site prefers ${user.rule}`}.`,
  strongest: (user) => `${user.by} decides: ${user.status} takes precedence.`,
  latest: (user) => `${user.by} decides: it changed last.`,
  first: (user) => `${user.by} decides: all changed at the same moment, and it is the first by name.`,
  unknown: () => "No protocol knows this user.",
};

/** Makes the row of a person. */
export function makeRow(person) {
  const row = element("div", "row");
  row.setAttribute("role", "listitem");
  const details = element("details");
  const summary = element("summary");
  const dot = document.createElement("presence-dot");
  dot.setAttribute("aria-hidden", "true"); // the word is beside it
  const name = element("span", "name", person.account);
  name.title = person.user.user;
  summary.append(dot, name, element("span", "status"), element("span", "message"), element("span", "by"), element("span", "since"));
  details.append(summary);
  row.append(details);
  updateRow(row, person, false);
  return row;
}

/** Shows what is known of a person now, and lets the eye notice it if that is news. */
export function updateRow(row, { user }, news) {
  const summary = row.querySelector("summary");
  const before = row.dataset.shown;
  row.dataset.shown = `${user.status} ${text(user)}`;
  row.classList.toggle("gone", user.status === "unavailable");
  summary.querySelector("presence-dot").show(user);
  fill(summary.querySelector(".status"), user.stale ? `${user.status}?` : user.status);
  summary.querySelector(".status").title = user.stale ? "The connection to the source is lost: perhaps this is no longer so." : "";
  const message = summary.querySelector(".message");
  fill(message, text(user));
  message.title = text(user);
  fill(summary.querySelector(".by"), user.by ?? "");
  fillSince(summary.querySelector(".since"), user.since, endOf(user));
  if (news && before !== row.dataset.shown) pulse(row);
  if (row.querySelector("details").open) detail(row, { user });
}

/** What is said beside the status. */
function text(user) {
  return [activity(user), user.message].filter(Boolean).join(": ");
}

const symbols = { "on-the-phone": "☎", meeting: "👥", vacation: "🏖", travel: "✈", meal: "🍽", lunch: "🍽", presentation: "📽" };

/** What a user is doing, as a symbol and a word. */
function activity({ activity }) {
  return activity ? [symbols[activity], activity.replaceAll("-", " ")].filter(Boolean).join(" ") : "";
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
  box.append(element("p", "why", `${user.user}. ${sentence(reasons[user.reason]?.(user) ?? "")}`), list);
  details.append(box);
}

function protocolItem(protocol, presence, decides) {
  const item = element("li", decides ? "decides" : "");
  const dot = document.createElement("presence-dot");
  dot.setAttribute("aria-hidden", "true");
  const words = element("span", "words", presence.status);
  if (presence.activity) words.append(`, ${activity(presence)}`);
  if (presence.message) words.append(": ", element("q", "", presence.message));
  const times = element("span", "times");
  const add = (before, when) => {
    if (!when) return;
    if (times.childNodes.length) times.append(", ");
    times.append(`${before} `, moment(when));
  };
  add("since", presence.since);
  add("idle since", presence.idle_since);
  add("confirmed", presence.updated);
  add(protocol === "manual" ? "until" : "expires", presence.expires);
  if (presence.stale) times.append("; the connection to the source is lost");
  item.append(dot, element("span", "protocol", protocol), words, times);
  dot.show(presence);
  return item;
}

/** Brings the times in all rows that are there up to date. */
export function tick(root) {
  for (const time of root.querySelectorAll("time[data-ago]")) fill(time, ago(time.dateTime));
}

/** Tells since when it is so, or until when and what comes then if that is known. */
function fillSince(box, since, { until, then }) {
  const key = `${since} ${until} ${then}`;
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren();
  box.title = "";
  if (!since) return;
  box.title = `since ${absolute(since)}`;
  if (until) {
    const end = moment(until);
    end.title = `until ${absolute(until)}, ${box.title}`;
    box.append("until ", end, then ? `, then ${then}` : "");
    return;
  }
  const time = element("time", "", ago(since));
  time.dateTime = since;
  time.dataset.ago = "";
  box.append(element("span", "hidden", "since "), time);
}

/** When it ends, if anybody has said so, and what comes then. */
function endOf({ next, by, protocols }) {
  if (next) return { until: next.at, then: next.status };
  return { until: by === "manual" ? protocols[by]?.expires : null };
}

function moment(when) {
  const time = element("time", "", clock(when));
  time.dateTime = when;
  time.title = absolute(when);
  return time;
}

const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const hours = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

function ago(when) {
  const minutes = Math.floor((Date.now() - Date.parse(when)) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  if (minutes < 7 * 24 * 60) return `${Math.floor(minutes / 60 / 24)} d`;
  return days.format(Date.parse(when));
}

/** The time of day, with the day if that is another one. */
function clock(when) {
  const at = new Date(when);
  return at.toDateString() === new Date().toDateString() ? hours.format(at) : `${days.format(at)}, ${hours.format(at)}`;
}

function absolute(when) {
  return whole.format(Date.parse(when));
}

function pulse(row) {
  row.classList.remove("news");
  void row.offsetWidth; // begins the animation anew
  row.classList.add("news");
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
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
