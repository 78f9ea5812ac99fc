// Shows /openapi.json for people. It knows as much of OpenAPI 3.1 as that document uses, and puts nothing into the page but as text.

import { beside } from "./address.js";

const methods = ["get", "put", "post", "delete"];
const contents = document.getElementById("contents");
const main = document.getElementById("content");
const state = document.getElementById("state");

/** element makes an element of a tag, like "p.soft", with attributes and children; a string is a text. */
function element(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** prose makes paragraphs of a text in which `this` is code. */
function prose(text, tag = "p") {
  return (text ?? "").split("\n\n").filter(Boolean).map((paragraph) =>
    element(tag, {}, ...paragraph.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part))));
}

let api;

/** follow returns what a reference leads to, or the value itself. */
function follow(value) {
  while (value?.$ref) value = value.$ref.slice(2).split("/").reduce((at, name) => at[name], api);
  return value;
}

const anchor = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
const schemaAnchor = (name) => `schema-${anchor(name)}`;

/** kind says in a few words, some of them links, what a schema allows. */
function kind(schema) {
  if (!schema) return [];
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    const named = follow(schema);
    return named.type === "object" ? [element("a", { href: `#${schemaAnchor(name)}` }, name)] : kind(named);
  }
  if (schema.enum) return schema.enum.flatMap((value, i) => [i ? " or " : "", element("code", {}, String(value))]);
  if (schema.const !== undefined) return [element("code", {}, String(schema.const))];
  if (schema.type === "array") return ["list of ", ...kind(schema.items)];
  const types = [schema.type].flat().filter(Boolean).map((type) => (type === "string" && schema.format === "date-time" ? "date and time" : type));
  return [types.join(" or ") || "anything"];
}

/** table makes a table of rows, each a list of cells, each a list of children. */
function table(head, rows) {
  return element("div.scroll", { tabindex: "0", role: "group", "aria-label": `Table: ${head[0]}` }, element("table", {},
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, ...cell)))))));
}

/** members makes a table of an object's members. */
function members(schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, member]) => [
    [element("code", {}, name), schema.required?.includes(name) || !schema.required ? "" : element("span.soft", {}, " optional")],
    kind(member),
    prose(member.description ?? ""),
  ]);
  if (schema.additionalProperties?.$ref || schema.additionalProperties?.type) {
    rows.push([[element("span.soft", {}, "every other")], kind(schema.additionalProperties), prose(schema.additionalProperties.description ?? "")]);
  }
  return rows.length ? table(["member", "is", "meaning"], rows) : element("p.soft", {}, "It has no members.");
}

function sample(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return element("pre", { tabindex: "0" }, element("code", {}, text));
}

function body(content) {
  return Object.entries(content ?? {}).flatMap(([type, media]) => [
    element("p", {}, element("span.soft", {}, `${type}: `), ...kind(media.schema)),
    ...Object.entries(media["x-events"] ?? {}).length ? [table(["event", "data", "meaning"], Object.entries(media["x-events"]).map(([name, event]) =>
      [[element("code", {}, name)], kind(event.schema), prose(event.description)]))] : [],
    ...Object.values(media.examples ?? {}).map((example) => sample(example.value)),
  ]);
}

function parameters(list) {
  if (!list.length) return [];
  return [element("h3", {}, "Parameters"), table(["parameter", "in", "is", "meaning"], list.map(follow).map((parameter) => [
    [element("code", {}, parameter.name), parameter.required ? "" : element("span.soft", {}, " optional")],
    [parameter.in], kind(parameter.schema), prose(parameter.description),
  ]))];
}

/** responses shows what is particular to an operation; the refusals are the same everywhere. */
function responses(all) {
  const successes = Object.entries(all).filter(([status]) => status < "400");
  const refusals = Object.entries(all).filter(([status]) => status >= "400");
  return [
    ...successes.flatMap(([status, response]) => [
      element("h3", {}, `Answer ${status}`), ...prose(follow(response).description), ...body(follow(response).content),
    ]),
    element("h3", {}, "Refusals"),
    element("p", {}, ...refusals.flatMap(([status, response], i) =>
      [i ? ", " : "", element("a", { href: `#${refusalAnchor(response.$ref)}` }, status)])),
  ];
}

const refusalAnchor = (ref) => `refusal-${anchor(ref.split("/").pop())}`;

function operation(path, method, item) {
  const it = item[method];
  return element("article", { id: anchor(it.operationId) }, element("details", {},
    element("summary", {},
      element(`span.method.${method}`, {}, method.toUpperCase()), element("span.path", {}, path), element("span.what", {}, it.summary)),
    element("div.inside", {},
      ...prose(it.description),
      it.security?.length === 0 ? element("p.soft", {}, "No Authorization header is needed.") : null,
      ...parameters([...(item.parameters ?? []), ...(it.parameters ?? [])]),
      ...(it.requestBody ? [element("h3", {}, "Body"), ...body(it.requestBody.content)] : []),
      ...responses(it.responses))));
}

function section(id, title, description, parts, entries) {
  contents.append(element("li", {}, element("a", { href: `#${id}` }, title),
    entries.length ? element("ul", {}, ...entries) : null));
  return element("section", { "aria-labelledby": id }, element("h2", { id }, title), ...prose(description), ...parts);
}

function operations(tag) {
  const parts = [], entries = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of methods.filter((name) => item[name]?.tags.includes(tag.name))) {
      parts.push(operation(path, method, item));
      entries.push(element("li", {}, element("a", { href: `#${anchor(item[method].operationId)}` },
        element(`span.method.${method}`, {}, method.toUpperCase()), element("span", {}, item[method].summary))));
    }
  }
  return section(anchor(tag.name), tag.name, tag.description, parts, entries);
}

function authorization() {
  return section("authorization", "Authorization", "", Object.values(api.components.securitySchemes).flatMap((scheme) => [
    element("p", {}, element("code", {}, "Authorization: Bearer TOKEN")), ...prose(scheme.description)]), []);
}

function refusals() {
  const parts = Object.entries(api.components.responses).filter(([, response]) => response.content?.["application/problem+json"])
    .map(([name, response]) => {
      const example = Object.values(response.content["application/problem+json"].examples)[0].value;
      return element("article", { id: refusalAnchor(name) }, element("details", {},
        element("summary", {}, element("span.path", {}, String(example.status)), element("span.what", {}, response.description)),
        element("div.inside", {}, ...body(response.content))));
    });
  return section("refusals", "Refusals", "", parts, []);
}

function schemas() {
  const objects = Object.entries(api.components.schemas).filter(([, schema]) => schema.type === "object");
  return section("schemas", "Documents", "", objects.map(([name, schema]) =>
    element("article", { id: schemaAnchor(name) }, element("details", {},
      element("summary", {}, element("span.path", {}, name), element("span.what", {}, schema.description ?? "")),
      element("div.inside", {}, members(schema))))), []);
}

/** reveal opens what the address names. */
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  target.querySelector("details")?.setAttribute("open", "");
  target.scrollIntoView();
}

async function show() {
  const answer = await fetch(beside("openapi.json"));
  if (!answer.ok) throw new Error(`the server answers with ${answer.status}`);
  api = await answer.json();
  main.append(element("h1", {}, api.info.title), element("p.lead", {}, api.info.summary), ...prose(api.info.description),
    authorization(), ...api.tags.map(operations), refusals(), schemas());
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
  reveal();
}

show().catch((fault) => {
  state.textContent = `The document cannot be shown: ${fault.message}`;
  state.hidden = false;
});
