// What pages do a little better with a script than without.
"use strict";

// Asks before something is lost. Without this, the server asks on a page of its own.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset) return;
  // A form may do several things, of which one is asked about.
  const isRemoval = event.submitter && event.submitter.value === "remove";
  const question = form.dataset.confirm || (isRemoval && form.dataset.confirmRemove);
  if (!question) return;
  if (!window.confirm(question)) return event.preventDefault();
  const sure = document.createElement("input");
  sure.type = "hidden";
  sure.name = "sure";
  sure.value = "true";
  form.append(sure);
});

// Enter in a filter is for the list that it filters, not for the form around it.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.id === "filter" && event.target.hasAttribute("data-hx-post")) event.preventDefault();
});

// A part that could not be fetched is told, not passed over.
const tell = (text) => {
  const told = document.getElementById("told");
  if (told) told.textContent = text;
};
document.addEventListener("htmx:sendError", () => tell("The server cannot be reached. Reload the page to try again."));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  // A card that is gone needs no more looks.
  if (status !== 404) tell("That did not work (" + status + "). Reload the page to try again.");
});

// A row that looks for its title does not take away what somebody is typing into it. It looks again once they are done.
document.addEventListener("htmx:beforeSwap", (event) => {
  const row = event.target;
  if (event.detail.requestConfig.elt !== row || !row.querySelector("details.rename[open]")) return;
  event.detail.shouldSwap = false;
  row.dataset.old = "";
});
document.addEventListener(
  "toggle",
  (event) => {
    const row = event.target.matches("details.rename:not([open])") && event.target.closest("li[data-hx-get][data-old]");
    if (row) htmx.ajax("GET", row.dataset.hxGet, { source: row, target: row, swap: "outerHTML" });
  },
  true,
);

// Selecting many links: all of them at once, and how many are selected.
const picks = () => Array.from(document.querySelectorAll("input[name=card][form=selected]"));
const count = () => {
  const told = document.getElementById("picked");
  const all = document.getElementById("pick-all");
  if (!told || !all) return;
  const picked = picks().filter((pick) => pick.checked).length;
  told.textContent = picked === 1 ? "1 link selected" : picked + " links selected";
  all.textContent = picked > 0 && picked === picks().length ? "Select none" : "Select all on this page";
};
const pickers = () => {
  const all = document.getElementById("pick-all");
  if (!all) return;
  all.hidden = false;
  all.addEventListener("click", () => {
    const some = picks().some((pick) => !pick.checked);
    picks().forEach((pick) => (pick.checked = some));
    count();
  });
  count();
};
document.addEventListener("change", (event) => {
  if (event.target.matches("input[name=card][form=selected]")) count();
});
pickers();

// The focus is where something is wrong, also where the browser does not heed `autofocus`.
const wrong = document.querySelector("main [autofocus]");
if (wrong && document.activeElement !== wrong) wrong.focus();

// How many a search found, for who does not see the list change. Only what replaces a list as a whole is one.
document.addEventListener("htmx:afterSwap", (event) => {
  const list = event.target;
  if (list.id === "choices") {
    const shown = list.querySelectorAll(".choice").length;
    return tell(shown === 1 ? "1 collection shown" : shown + " collections shown");
  }
  if (list.id !== "hits" && list.id !== "cards") return;
  pickers();
  const asked = document.getElementById("q");
  const found = list.querySelectorAll("li.item").length;
  const more = list.querySelector("a[rel=next]") ? ", and more" : "";
  tell(list.id === "hits" && asked && !asked.value.trim() ? "" : found + " found" + more);
});
