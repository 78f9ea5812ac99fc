// The words of the board in the browser's language. A further language is a further file beside en.js, a line here, and a table in client.js for the elements.

import { Texts, languages } from "../client.js";
import { en } from "./en.js";
import { de } from "./de.js";

const all = { en, de };

/** The board's words by language, with those of the elements. */
export const tables = Object.fromEntries(Object.entries(all).map(([language, words]) => [language, { ...languages[language], ...words }]));

/** Those of the browser's language. */
export const texts = new Texts(tables);

export const say = (key, values) => texts.say(key, values);

/** Puts the words into the elements that name them: data-text is the text, data-label and data-hint are attributes. */
export function translate(root = document) {
  for (const [name, put] of Object.entries({
    text: (element, text) => (element.textContent = text),
    label: (element, text) => element.setAttribute("aria-label", text),
    hint: (element, text) => element.setAttribute("placeholder", text),
  })) {
    for (const element of root.querySelectorAll(`[data-${name}]`)) put(element, say(element.dataset[name]));
  }
}

/** Begins a text with a capital letter. */
export function sentence(text) {
  return text.charAt(0).toLocaleUpperCase(texts.locale) + text.slice(1);
}

/** What a word of RFC 4480 is called. */
export function activityName(word) {
  return texts.has(`activity ${word}`) ? say(`activity ${word}`) : word.replaceAll("-", " ");
}
