// What is kept for this tab, until it is closed: in its session storage, or, where the browser lends none, as in a frame of a page of another site, until the page is left.

const own = new Map();

function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

export const tab = {
  get(key) {
    const kept = storage();
    return kept ? kept.getItem(key) : (own.get(key) ?? null);
  },

  set(key, value) {
    const kept = storage();
    if (kept) kept.setItem(key, value);
    else own.set(key, value);
  },

  remove(key) {
    own.delete(key);
    storage()?.removeItem(key);
  },
};
