// Where the server is, and the token for it.

import { Refusal, ask, keep, origin, permission, settings } from "./server.js";

const element = (id) => document.getElementById(id);

const tell = (text, isWrong = false) => {
  const told = element("told");
  told.classList.toggle("wrong", isWrong);
  told.textContent = text;
};

const isLocal = (server) => ["localhost", "127.0.0.1", "[::1]"].includes(new URL(server).hostname);

const connect = async () => {
  const server = origin(element("server").value);
  const token = element("token").value.trim();
  if (!token) throw new Refusal("Enter an API token.");
  // Before anything else: the browser asks only while it knows that somebody pressed the button.
  const mayReach = await chrome.permissions.request(permission(server));
  if (!mayReach) throw new Refusal("Without that permission the extension cannot reach your server. Save again to be asked again.");
  tell("Contacting your server …");
  const me = await ask({ server, token }, "/api/users/me");
  await keep(server, token);
  element("server").value = server;
  const isOpen = server.startsWith("http:") && !isLocal(server);
  tell(`Connected as ${me.handle}.${isOpen ? " This connection is not encrypted, so others on the network could read your token." : ""}`);
};

element("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  connect().catch((error) => {
    tell(error instanceof Refusal ? error.message : "Something went wrong in the extension. Try again.", true);
    if (!(error instanceof Refusal)) console.error(error);
  });
});

const known = await settings();
if (known) {
  element("server").value = known.server;
  element("token").value = known.token;
}
