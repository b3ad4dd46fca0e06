// What the popup and the options know of a Cardwire server: its address, the token for it, and how to ask it.
// Nothing is sent anywhere but to that address.

/** A failure in words for the person who is saving. `options`: it is set right in the options. */
export class Refusal extends Error {
  constructor(message, options = false) {
    super(message);
    this.options = options;
  }
}

/** `{ server, token }`, or `null` until both are set. */
export const settings = async () => {
  const { server, token } = await chrome.storage.local.get(["server", "token"]);
  return server && token ? { server, token } : null;
};

export const keep = (server, token) => chrome.storage.local.set({ server, token });

/** The origin in what somebody typed as an address, such as `https://links.example`. */
export const origin = (typed) => {
  const text = typed.trim();
  const isLocal = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/i.test(text);
  const address = /^https?:\/\//i.test(text) ? text : (isLocal ? "http://" : "https://") + text;
  try {
    return new URL(address).origin;
  } catch {
    throw new Refusal("Enter the address of your server, such as https://links.example");
  }
};

/** What the browser must allow before the server can be asked. Permissions do not name ports. */
export const permission = (server) => {
  const { protocol, hostname } = new URL(server);
  return { origins: [`${protocol}//${hostname}/*`] };
};

/** The JSON that the server answers. Fails with a `Refusal`. */
export const ask = async ({ server, token }, path, body) => {
  const request = { headers: { authorization: `Bearer ${token}` }, credentials: "omit", redirect: "error", cache: "no-store" };
  if (body !== undefined) {
    request.method = "POST";
    request.headers["content-type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(server + path, { ...request, signal: AbortSignal.timeout(15_000) });
  } catch {
    if (!(await chrome.permissions.contains(permission(server)))) {
      throw new Refusal("Your browser no longer lets this extension reach your server. Open the options and save them again.", true);
    }
    throw new Refusal("The server cannot be reached. Check your connection, or the address in the options.", true);
  }
  const isJson = /^application\/(problem\+)?json/.test(answer.headers.get("content-type") || "");
  const told = isJson ? await answer.json().catch(() => null) : null;
  if (answer.ok && told !== null) return told;
  throw refusal(answer, told);
};

/** How long, as people say it. */
const wait = (seconds) => {
  const [count, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [Math.ceil(seconds / 60), "minute"] : [Math.ceil(seconds / 3600), "hour"];
  return count === 1 ? `1 ${unit}` : `${count} ${unit}s`;
};

/** `detail` is a sentence, or several. */
const refusal = (answer, problem) => {
  const detail = problem && typeof problem.detail === "string" ? problem.detail : "";
  switch (answer.status) {
    case 401:
      return new Refusal("The server does not know this token. It may have expired or been revoked. Create a new one and enter it in the options.", true);
    case 403:
      return new Refusal(detail || "This token is not allowed to do that.", true);
    case 404:
      if (!problem) return new Refusal("There is no Cardwire server at this address. Check the address in the options.", true);
      return new Refusal(detail || "The server did not find that.");
    case 422:
      return new Refusal(`This cannot be saved. ${detail}`.trim());
    case 429:
      return new Refusal(`${detail || "Too many changes."} Try again in ${wait(Number(answer.headers.get("retry-after")) || 1)}.`);
    default:
      if (answer.ok || !problem) return new Refusal("This does not look like a Cardwire server. Check the address in the options.", true);
      return new Refusal(`The server could not do that (${answer.status}). Try again later.`);
  }
};
