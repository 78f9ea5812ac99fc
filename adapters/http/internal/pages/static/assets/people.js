// The list of people: who is shown, in which section, and the rows. board.js hands it everybody's documents.
//
// There may be ten thousand people. The rows are made in chunks, when a chunk comes near the window, and go when it is far away; before and after,
// the chunk is an empty box of the same height. Changes are gathered and shown once a frame.

import { detail, makeRow, updateRow, tick } from "./row.js";
import { say, sentence, texts } from "./texts.js";

const $ = (id) => document.getElementById(id);
const chunkSize = 50;
const statuses = ["available", "busy", "away", "unavailable"];

export class People {
  #announce;
  #people = new Map(); // id -> { user, account, domain, name, text }
  #memberships = new Map(); // id -> the names of the user's groups
  #order = []; // the ids by name
  #sorted = true;
  #changed = new Set(); // ids whose row may have to change
  #frame = 0;
  #complete = false;
  #filter = { text: "", status: "" };
  #sections = new Map(); // title -> Section
  #shown = 0;
  #telling = 0; // the timer of what is announced

  constructor(announce) {
    this.#announce = announce;
    $("search").addEventListener("input", () => this.#setFilter({ text: fold($("search").value.trim()) }));
    $("search").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#search("");
      else if (event.key === "ArrowDown") this.#focusFirst(event);
      else if (event.key === "Enter") this.#focusFirst(event, true);
    });
    for (const button of $("filters").querySelectorAll("button")) {
      const { status } = button.dataset;
      if (status) button.querySelector(".label").textContent = sentence(say(status));
      if (status) customElements.whenDefined("presence-dot").then(() => button.querySelector("presence-dot").show({ status }));
      button.addEventListener("click", () => this.#setFilter({ status }));
    }
    $("nobody").querySelector("button").addEventListener("click", () => {
      this.#search("");
      this.#setFilter({ status: "" });
      $("search").focus();
    });
    $("groups").addEventListener("keydown", (event) => this.#move(event));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA)$/.test(event.target.tagName) || $("tools").hidden) return;
      const nowhere = event.target === document.body || event.target === $("people"); // nothing was clicked yet
      if (event.key === "/") {
        event.preventDefault();
        $("search").select();
      } else if (nowhere && /^(ArrowDown|ArrowUp|Enter)$/.test(event.key)) {
        this.#focusFirst(event, event.key === "Enter");
      }
    });
    setInterval(() => document.visibilityState === "visible" && tick($("groups")), 10_000);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && tick($("groups")));
  }

  get size() {
    return this.#people.size;
  }

  clear() {
    this.#people.clear();
    this.#order = [];
    this.#changed.clear();
    this.#schedule();
  }

  /** Says that everybody is coming: until complete is called, an empty list means nothing. */
  waitForAll() {
    this.#complete = false;
    this.#schedule();
  }

  complete() {
    this.#complete = true;
    this.#schedule();
  }

  update(user) {
    const known = this.#people.get(user.user);
    const at = user.user.lastIndexOf("@");
    const person = known ?? { account: user.user.slice(0, at), domain: user.user.slice(at + 1) };
    const name = user.display_name ?? person.account;
    this.#sorted &&= name === person.name;
    person.user = user;
    person.name = name;
    person.text = fold(`${user.user} ${user.display_name ?? ""} ${user.message}`);
    if (!known) {
      this.#people.set(user.user, person);
      this.#order.push(user.user);
    }
    this.#changed.add(user.user);
    this.#schedule();
  }

  /** Says who is in which groups: their members are shown together, and whoever is in none with the others of the domain. */
  setGroups(memberships) {
    this.#memberships = memberships;
    this.#schedule();
  }

  #search(text) {
    $("search").value = text;
    this.#setFilter({ text: fold(text) });
  }

  #setFilter(change) {
    Object.assign(this.#filter, change);
    for (const button of $("filters").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.status === this.#filter.status));
    }
    this.#schedule();
    clearTimeout(this.#telling);
    this.#telling = setTimeout(() => this.#announce(say("shown", { count: this.#shown })), 700); // not with every key
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    if (!this.#sorted) {
      this.#order.sort((a, b) => compare(this.#people.get(a), this.#people.get(b)));
      this.#sorted = true;
    }
    const { sections, counts, found } = this.#select();
    const focused = $("groups").contains(document.activeElement) ? summaries().indexOf(document.activeElement) : -1;
    for (const [title, section] of this.#sections) {
      if (sections.has(title)) continue;
      section.remove();
      this.#sections.delete(title);
    }
    let previous = null;
    for (const [title, { ids, here, all }] of sections) {
      let section = this.#sections.get(title);
      if (!section) this.#sections.set(title, (section = new Section(title, this.#people)));
      section.place(previous);
      section.show(ids, this.#changed, here, all);
      previous = section;
    }
    this.#changed.clear();
    this.#tell(counts, found);
    if (focused >= 0 && !$("groups").contains(document.activeElement)) (summaries()[focused] ?? summaries().at(-1) ?? $("search")).focus();
  }

  /** Finds who is to be shown, and counts by status those that the search has found. The sections are in their order: the groups, then the domains. */
  #select() {
    const groups = new Map();
    const domains = new Map();
    const counts = Object.fromEntries(statuses.map((status) => [status, 0]));
    const words = this.#filter.text.split(/\s+/).filter(Boolean);
    let found = 0;
    this.#shown = 0;
    for (const id of this.#order) {
      const { user, domain, text } = this.#people.get(id);
      const matches = words.every((word) => text.includes(word));
      const shown = matches && (!this.#filter.status || user.status === this.#filter.status);
      const memberships = this.#memberships.get(id);
      for (const title of memberships ?? [domain]) {
        const section = sectionOf(memberships ? groups : domains, title);
        section.all++;
        if (user.status === "available" || user.status === "busy") section.here++;
        if (shown) section.ids.push(id);
      }
      if (matches) counts[user.status]++;
      if (matches) found++;
      if (shown) this.#shown++;
    }
    const inOrder = (sections) => [...sections].sort(([a], [b]) => texts.compare(a, b));
    return { sections: new Map([...inOrder(groups), ...inOrder(domains)].filter(([, { ids }]) => ids.length)), counts, found };
  }

  #tell(counts, found) {
    for (const button of $("filters").querySelectorAll("button")) {
      const { status } = button.dataset;
      put(button.querySelector(".count"), texts.number(status ? counts[status] : found));
    }
    const total = this.#people.size;
    put($("shown"), this.#shown === total ? say("peopleCount", { count: total }) : say("peopleOf", { shown: texts.number(this.#shown), all: texts.number(total) }));
    $("nobody").hidden = this.#shown > 0;
    $("nobody").querySelector("button").hidden = total === 0;
    put($("nobody").querySelector("p"), say(total ? "nobodyMatches" : this.#complete ? "nobodyKnown" : "loading"));
  }

  /** Goes to the first row, and opens it if that is asked. */
  #focusFirst(event, open = false) {
    const first = $("groups").querySelector("summary");
    if (!first) return;
    event.preventDefault();
    if (!open) return first.focus();
    addEventListener("keyup", () => { // or the same key would close it at once
      first.focus();
      first.parentElement.open = true;
    }, { once: true });
  }

  /** Moves the focus from row to row. */
  #move(event) {
    const summary = event.target.closest?.("summary");
    if (!summary || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Home" || event.key === "End") { // there may be no rows yet
      const sections = [...this.#sections.values()].sort((a, b) => a.isBefore(b));
      if (event.key === "Home") sections.at(0)?.fill(0);
      else sections.at(-1)?.fill(-1);
    }
    const all = summaries();
    const at = all.indexOf(summary);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0) $("search").focus();
    else if (all[to]) {
      all[to].focus();
      all[to].scrollIntoView({ block: "nearest" }); // what the focus alone does not do in Firefox: keep it from behind the top
    }
  }
}

/** The people of one section. There is no group with the name of a domain: that would be shown with it. */
class Section {
  #section = document.createElement("section");
  #count = document.createElement("span");
  #list = document.createElement("div");
  #chunks = [];
  #people;

  constructor(title, people) {
    this.#people = people;
    const heading = document.createElement("h2");
    heading.id = `section-${title.replace(/\s/g, "-")}`; // in a list of ids there is no blank
    const name = document.createElement("span");
    name.textContent = title;
    this.#count.className = "count";
    heading.append(name, " ", this.#count);
    this.#section.setAttribute("aria-labelledby", heading.id);
    this.#list.setAttribute("role", "list");
    this.#list.className = "list";
    this.#section.append(heading, this.#list);
  }

  /** Puts the section after another one, or first. */
  place(previous) {
    const wanted = previous ? previous.#section.nextSibling : $("groups").firstChild;
    if (wanted !== this.#section) $("groups").insertBefore(this.#section, wanted);
  }

  remove() {
    this.show([], new Set(), 0, 0);
    this.#section.remove();
  }

  isBefore(other) {
    return this.#section.compareDocumentPosition(other.#section) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1;
  }

  /** Makes the rows of the first chunk (0) or the last one (-1). */
  fill(at) {
    this.#chunks.at(at)?.fill();
  }

  show(ids, changed, here, all) {
    put(this.#count, say("hereOf", { here: texts.number(here), all: texts.number(all) }));
    const wanted = Math.ceil(ids.length / chunkSize);
    while (this.#chunks.length > wanted) this.#chunks.pop().remove();
    while (this.#chunks.length < wanted) this.#chunks.push(new Chunk(this.#list, this.#people));
    this.#chunks.forEach((chunk, i) => chunk.show(ids.slice(i * chunkSize, (i + 1) * chunkSize), changed, i * chunkSize, ids.length));
  }
}

/** Some neighbours in a section. It has rows only while it is near the window. */
class Chunk {
  static #of = new WeakMap(); // element -> Chunk
  static #rowHeight = 44;
  static #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chunk = Chunk.#of.get(target);
      if (isIntersecting) chunk.fill();
      else chunk.empty();
    }
  }, { rootMargin: "800px 0px" });

  #box = document.createElement("div");
  #people;
  #ids = [];
  #first = 0;
  #total = 0;
  #rows = null; // id -> element; null: empty

  constructor(list, people) {
    this.#people = people;
    this.#box.setAttribute("role", "none");
    list.append(this.#box);
    Chunk.#of.set(this.#box, this);
    Chunk.#observer.observe(this.#box);
  }

  remove() {
    Chunk.#observer.unobserve(this.#box);
    this.#box.remove();
  }

  show(ids, changed, first, total) {
    const same = ids.length === this.#ids.length && ids.every((id, i) => id === this.#ids[i]);
    const moved = first !== this.#first || total !== this.#total;
    this.#ids = ids;
    this.#first = first;
    this.#total = total;
    if (!this.#rows) {
      if (!same) this.#reserve();
      return;
    }
    if (!same) this.#arrange();
    for (const id of changed) {
      const row = this.#rows.get(id);
      if (row) updateRow(row, this.#people.get(id), true);
    }
    if (!same || moved) this.#number();
  }

  fill() {
    if (this.#rows) return;
    this.#rows = new Map();
    this.#ids = this.#ids.filter((id) => this.#people.get(id)); // who has just gone is in no list that will be shown
    this.#arrange();
    this.#number();
    this.#box.style.blockSize = "";
    const row = this.#box.firstChild;
    if (row && !row.querySelector("details").open) Chunk.#rowHeight = row.offsetHeight;
  }

  empty() {
    if (!this.#rows || this.#box.contains(document.activeElement) || this.#box.querySelector("details[open]")) return;
    const height = this.#box.offsetHeight;
    this.#rows = null;
    this.#box.replaceChildren();
    this.#box.style.blockSize = `${height}px`;
  }

  #reserve() {
    this.#box.style.blockSize = `${this.#ids.length * Chunk.#rowHeight}px`;
  }

  /** Makes the rows those of the ids, in their order, and keeps the elements of who stays. */
  #arrange() {
    const rows = new Map();
    let next = this.#box.firstChild;
    const staying = new Set(this.#ids);
    for (const [id, row] of this.#rows) {
      if (staying.has(id)) continue;
      if (row === next) next = row.nextSibling;
      row.remove();
    }
    for (const id of this.#ids) {
      let row = this.#rows.get(id);
      if (!row) {
        row = makeRow(this.#people.get(id));
        row.addEventListener("toggle", () => detail(row, this.#people.get(id)), true);
      }
      if (row === next) next = row.nextSibling;
      else this.#box.insertBefore(row, next);
      rows.set(id, row);
    }
    this.#rows = rows;
  }

  /** Tells a screen reader which rows these are of how many. */
  #number() {
    this.#ids.forEach((id, i) => {
      const row = this.#rows.get(id);
      row.setAttribute("aria-posinset", this.#first + i + 1);
      row.setAttribute("aria-setsize", this.#total);
    });
  }
}

/** The rows that are there, as what gets the focus. */
function summaries() {
  return [...$("groups").querySelectorAll("summary")];
}

/** The section with a title among others; a new one is added. */
function sectionOf(sections, title) {
  let section = sections.get(title);
  if (!section) sections.set(title, (section = { ids: [], here: 0, all: 0 }));
  return section;
}

function compare(a, b) {
  return texts.compare(a.name, b.name) || (a.user.user < b.user.user ? -1 : 1);
}

/** Makes a text comparable: without case and accents. */
function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
