// Saves the tab that one is looking at.

import { Refusal, ask, settings } from "./server.js";

/** With more collections than these, they can be filtered by name. */
const EASY_TO_SCAN = 10;
/** So many pages of a hundred collections are offered. */
const PAGES = 5;

const element = (id) => document.getElementById(id);

const tell = (text, isWrong = false) => {
  const told = element("told");
  told.classList.toggle("wrong", isWrong);
  told.textContent = text;
};

const fail = (error) => {
  tell(error instanceof Refusal ? error.message : "Something went wrong in the extension. Close it and try again.", true);
  if (!(error instanceof Refusal)) console.error(error);
  if (error.options) element("options").focus();
};

/** The tab to save: `?tab=` names it where this page has a window of its own. */
const tabToSave = async () => {
  const id = Number(new URLSearchParams(location.search).get("tab"));
  if (id) return chrome.tabs.get(id);
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  return tab;
};

const collectionsOf = async (connection) => {
  const all = [];
  let cursor = "";
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await ask(connection, `/api/collections?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    all.push(...answer.items);
    cursor = answer.nextCursor;
    if (!cursor) break;
  }
  return all;
};

/** Names are text, whatever is in them. */
const offer = (collections, isIn) => {
  for (const collection of collections) {
    const label = document.createElement("label");
    label.className = "choice";
    const box = document.createElement("input");
    box.type = "checkbox";
    box.value = collection.id;
    const name = document.createElement("bdi");
    name.textContent = collection.name;
    label.append(box, name);
    const about = [];
    if (collection.visibility === "PRIVATE") about.push("private");
    if (isIn.has(collection.id)) {
      box.checked = true;
      box.disabled = true;
      about.push("already in it");
    }
    if (about.length) label.append(` (${about.join(", ")})`);
    element("collections").append(label);
  }
  element("into").hidden = collections.length === 0;
  element("filter").hidden = collections.length <= EASY_TO_SCAN;
};

element("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLocaleLowerCase();
  for (const label of element("collections").children) {
    label.hidden = !label.textContent.toLocaleLowerCase().includes(wanted) && !label.querySelector(":checked");
  }
});

/** Enter in the filter is for the list, not for the form. */
element("filter").addEventListener("keydown", (event) => {
  if (event.key === "Enter") event.preventDefault();
});

const start = async () => {
  const connection = await settings();
  if (!connection) {
    throw new Refusal("Enter the address of your server and an API token in the options first.", true);
  }
  const tab = await tabToSave();
  const url = tab && tab.url;
  if (!url || !/^https?:/i.test(url)) {
    throw new Refusal("Only web pages can be saved. This tab shows something else.");
  }
  element("title").textContent = tab.title || "Save to Cardwire";
  element("address").textContent = url;
  tell("Contacting your server …");
  const [status, collections, me] = await Promise.all([
    ask(connection, `/api/cards/library/status?url=${encodeURIComponent(url)}`),
    collectionsOf(connection),
    ask(connection, "/api/users/me"),
  ]);
  const card = status.inLibrary ? await ask(connection, `/api/cards/${status.cardId}`) : null;
  offer(collections, new Set(status.collections.map((collection) => collection.id)));
  const visibility = card ? card.visibility : me.defaultVisibility;
  document.querySelector(`input[name=visibility][value=${visibility}]`).checked = true;
  if (card) {
    element("note").value = card.note ? card.note.text : "";
    element("submit").textContent = "Save changes";
    show(connection, status.cardId);
  }
  tell(card ? "You have saved this page already." : "");
  element("save").hidden = false;
  element("note").focus();
  element("window").hidden = location.search !== "";
  element("window").addEventListener("click", (event) => {
    event.preventDefault();
    chrome.windows.create({ url: `popup.html?tab=${tab.id}`, type: "popup", width: 420, height: 640 });
    window.close();
  });
  element("save").addEventListener("submit", (event) => {
    event.preventDefault();
    save(connection, url, card !== null).catch(fail);
  });
};

const show = (connection, card) => {
  element("card").href = `${connection.server}/cards/${card}`;
  element("more").hidden = false;
};

const save = async (connection, url, isKnown) => {
  const button = element("submit");
  const note = element("note").value;
  const chosen = [...document.querySelectorAll("#collections input:checked:not(:disabled)")].map((box) => box.value);
  const body = { url, visibility: document.querySelector("input[name=visibility]:checked").value, collectionIds: chosen };
  // An empty note drops the one that is there.
  if (note.trim() || isKnown) body.note = note;
  button.disabled = true;
  tell("Saving …");
  try {
    const saved = await ask(connection, "/api/cards/library/urls", body);
    element("save").hidden = true;
    const suffix = body.visibility === "PRIVATE" ? " Only you can see it." : "";
    tell((saved.created ? "Saved." : "You already had this link. It has been updated.") + suffix);
    show(connection, saved.urlCardId);
    element("card").focus();
  } finally {
    button.disabled = false;
  }
};

start().catch(fail);
