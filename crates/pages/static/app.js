// What pages do a little better with a script than without.
"use strict";

// Asks before something is lost. Without this, the server asks on a page of its own.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = form.dataset && form.dataset.confirm;
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

// How many a search found, for who does not see the list change. Only what replaces a list as a whole is one.
document.addEventListener("htmx:afterSwap", (event) => {
  const list = event.target;
  if (list.id === "choices") {
    const shown = list.querySelectorAll(".choice").length;
    return tell(shown === 1 ? "1 collection shown" : shown + " collections shown");
  }
  if (list.id !== "hits" && list.id !== "cards") return;
  const asked = document.getElementById("q");
  const found = list.querySelectorAll("li.item").length;
  const more = list.querySelector("a[rel=next]") ? ", and more" : "";
  tell(list.id === "hits" && asked && !asked.value.trim() ? "" : found + " found" + more);
});
