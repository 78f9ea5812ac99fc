// Addresses of this server. A relative one would keep the name and the password that the page's own address can have, and no script may send a request to such
// an address.

/** The address of this page up to the path. An OpenID provider has to know it. */
export function here() {
  return location.origin + location.pathname;
}

/** The address of what a path names, as seen from this page. */
export function beside(path) {
  return new URL(path, here());
}
