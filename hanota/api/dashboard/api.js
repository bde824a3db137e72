// REST of this origin, with the token of this tab; without one the browser's certificate may say who asks.

const PREFIX = "/api/v1";
const TOKEN = "hanota.token";

/** A request that was refused or could not be sent; `status` is 0 where nobody answered. */
export class ApiError extends Error {
  constructor(message, status, hint = null, code = null) {
    super(message);
    this.status = status;
    this.hint = hint;
    this.code = code;
  }

  /** What went wrong and what to do, in one line. */
  get words() {
    const code = this.code === null ? "" : ` (${this.code})`;
    return this.hint ? `${this.message}${code}: ${this.hint}` : `${this.message}${code}`;
  }
}

/** The token lives as long as the tab does; other tabs and later visitors of this browser have none. */
export const session = {
  get token() { return sessionStorage.getItem(TOKEN); },
  begin(token) { sessionStorage.setItem(TOKEN, token); },
  end() { sessionStorage.removeItem(TOKEN); },
};

/** Send a request and return its response, whose status is 2xx; throw ApiError. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(PREFIX + path, {
      ...options,
      headers: session.token === null
        ? options.headers
        : { ...options.headers, Authorization: `Bearer ${session.token}` },
      cache: "no-store",
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError("the daemon does not answer", 0, "is it running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new ApiError(body.error ?? `HTTP ${response.status}`, response.status, body.hint, body.code ?? null);
}

/** GET JSON; `query` may hold lists, and what is null in it is left out. */
export async function get(path, query = {}) {
  const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
  const given = new URLSearchParams(pairs.filter(([, value]) => value !== null && value !== undefined));
  const response = await ask(given.size ? `${path}?${given}` : path);
  return response.json();
}

/** POST JSON, or octets where `body` is a Blob. */
export async function post(path, body = undefined) {
  const options = { method: "POST" };
  if (body instanceof Blob) {
    options.body = body;
    options.headers = { "Content-Type": "application/octet-stream" };
  } else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  const response = await ask(path, options);
  return response.json();
}

/** DELETE. */
export async function remove(path) {
  await ask(path, { method: "DELETE" });
}
