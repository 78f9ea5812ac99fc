// Signing in by an OpenID provider: the authorization code flow with PKCE (RFC 7636) of a public client. The tokens stay in the memory of this page,
// and are renewed before they end. What has to outlive the way to the provider and back is in the tab's session storage until then: three random
// texts that are good once.

import { beside, here } from "./address.js";
import { say } from "./texts.js";

const pending = "presence.sign-in"; // of a sign-in that has begun
const longestRequest = 20_000;

/**
 * Asks the daemon how people sign in: `user` is the one that a proxy in front has signed in, `provider` the OpenID provider; null: there is none.
 */
export async function waysIn() {
  let answer;
  for (let tries = 1; ; tries++) {
    answer = await fetch(beside("v1/sign-in"), { cache: "no-store" });
    if (answer.status !== 503 || tries === 10) break; // it loads, as a rule
    await new Promise((done) => setTimeout(done, 1_000));
  }
  if (!answer.ok) throw new Error(say("answersWith", { who: say("theDaemon"), status: answer.status }));
  const { user, oidc } = await answer.json();
  return { user, provider: oidc && new Provider(oidc) };
}

/** Whether the page was called by the provider, so that Provider.complete has something to do. */
export function returning() {
  const answer = new URLSearchParams(location.search);
  return answer.has("state") && (answer.has("code") || answer.has("error"));
}

/** The provider. Its event "ended" tells that the person is signed out, because the provider renews no token: `detail` says why. */
export class Provider extends EventTarget {
  #about;
  #token = ""; // for the daemon
  #user = ""; // that the daemon takes the token's bearer for
  #refresh = ""; // what the next one is fetched with
  #end = 0; // of the token, by this machine's clock
  #timer = 0;
  #renewing = null;
  #session = 0; // counts how often all was forgotten

  constructor(about) {
    super();
    this.#about = about;
  }

  /** The name to show: the provider's host. */
  get name() {
    return new URL(this.#about.issuer).host;
  }

  /** Leaves the page for the provider's, which sends the person back to this one. */
  async leave() {
    const { authorization_endpoint, client_id, scope } = this.#about;
    if (!authorization_endpoint) throw new Error(say("providerDown", { provider: this.name }));
    if (!crypto.subtle) throw new Error(say("needsHTTPS"));
    const [state, nonce, verifier] = [random(), random(), random()];
    sessionStorage.setItem(pending, JSON.stringify({ state, nonce, verifier }));
    const challenge = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
    const address = new URL(authorization_endpoint);
    const query = { response_type: "code", client_id, redirect_uri: here(), scope, state, nonce, code_challenge: challenge, code_challenge_method: "S256" };
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    location.assign(address);
  }

  /**
   * Takes the provider's answer out of the address, fetches the tokens for it, and returns the user that the daemon takes the person for.
   */
  async complete() {
    const answer = new URLSearchParams(location.search);
    history.replaceState(null, "", location.pathname + location.hash);
    const begun = JSON.parse(sessionStorage.getItem(pending) ?? "null");
    sessionStorage.removeItem(pending);
    if (answer.get("state") !== begun?.state || (answer.get("iss") ?? this.#about.issuer) !== this.#about.issuer) throw new Error(say("signInStale"));
    if (answer.has("error")) throw new Error(say("providerRefused", { provider: this.name, why: answer.get("error_description") || answer.get("error") }));
    const grant = { grant_type: "authorization_code", code: answer.get("code"), redirect_uri: here(), code_verifier: begun.verifier };
    try {
      await this.#fetch(grant, begun.nonce);
    } catch (fault) {
      this.#forget(); // the daemon may not want what the provider has given
      throw fault;
    }
    return this.#user;
  }

  /** The function for tokens that connect takes: returns a token, and never the one that the daemon has rejected. */
  token = async (rejected) => {
    if (!this.#token || rejected === this.#token || Date.now() > this.#end) await this.#renew();
    return this.#token;
  };

  /** Forgets the tokens, and ends the session with the provider, which sends the person back to this page, if it can. */
  signOut() {
    this.#forget();
    const { end_session_endpoint, client_id } = this.#about;
    if (!end_session_endpoint) return;
    const address = new URL(end_session_endpoint);
    address.searchParams.set("client_id", client_id);
    address.searchParams.set("post_logout_redirect_uri", here());
    location.assign(address);
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#token = this.#refresh = "";
    this.#session++;
  }

  /** Renews the token. Whoever asks meanwhile waits for the same one. */
  #renew() {
    this.#renewing ??= this.#renewOnce().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renewOnce() {
    try {
      if (!this.#refresh) throw new Refused(say("providerEnded", { provider: this.name }));
      await this.#fetch({ grant_type: "refresh_token", refresh_token: this.#refresh });
    } catch (fault) {
      if (fault instanceof Refused) {
        this.#forget();
        this.dispatchEvent(new CustomEvent("ended", { detail: fault.message }));
      } else if (this.#refresh) {
        this.#renewIn(Math.max((this.#end - Date.now()) / 3, 5_000)); // the provider cannot be reached
      }
      throw fault;
    }
  }

  #renewIn(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#renew().catch(() => {}), milliseconds);
  }

  /** Fetches tokens. The provider's answer to a sign-in has to have the nonce with which that was begun. */
  async #fetch(grant, nonce) {
    const { token_endpoint, client_id, audience } = this.#about;
    const session = this.#session;
    const answer = await fetch(token_endpoint, {
      method: "POST", body: new URLSearchParams({ ...grant, client_id }), cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(longestRequest),
    });
    const body = await answer.json().catch(() => ({}));
    if (session !== this.#session) return; // signed out meanwhile
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) {
      throw new Refused(say("providerRefused", { provider: this.name, why: body.error_description || body.error || answer.status }));
    }
    if (!answer.ok) throw new Error(say("answersWith", { who: this.name, status: answer.status }));
    if (nonce && claims(body.id_token).nonce !== nonce) throw new Refused(say("signInStale"));
    const token = [body.access_token, body.id_token].find((token) => [claims(token).aud].flat().includes(audience));
    if (!token) throw new Refused(say("wrongAudience", { provider: this.name, audience }));
    const { exp, iat } = claims(token);
    const life = 1000 * (iat ? exp - iat : body.expires_in || exp - Date.now() / 1000);
    const end = Date.now() + life;
    this.#refresh = body.refresh_token || this.#refresh;
    if (this.#refresh) this.#renewIn(life - Math.min(life / 4, 60_000));
    const user = await introduce(token);
    if (session !== this.#session) return;
    this.#user = user;
    this.#token = token;
    this.#end = end;
  }
}

/**
 * Shows a token to the daemon, and returns the user that it is for. The daemon may have to fetch a new key of the provider first: it is asked again
 * until it has.
 */
async function introduce(token) {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(beside("v1/me"), { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
    const body = await answer.json().catch(() => ({}));
    if (answer.ok) return body.user;
    if (answer.status !== 503 || tries === 5) throw new Error(say("tokenRefused", { why: body.detail ? whyRefused(body.detail) : answer.status }));
    await new Promise((done) => setTimeout(done, 1_000));
  }
}

/** Why the daemon refuses a token: the detail of its answer, without what the board says itself. */
export function whyRefused(detail) {
  return detail.replace(/^not authenticated: /, "");
}

/** The provider has said no: to ask again is of no use. */
class Refused extends Error {}

/** The claims of a JSON Web Token, which the daemon verifies; of anything else an empty object. */
function claims(token) {
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
  } catch {
    return {};
  }
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
