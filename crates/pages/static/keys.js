// Keyboard shortcuts, on every page: they are listed in its dialog. None works while somebody types, and all can be turned off there.
"use strict";

(() => {
  const dialog = document.getElementById("keys");
  const opener = document.getElementById("show-keys");
  const enabled = document.getElementById("keys-on");
  if (!dialog || !dialog.showModal) return;
  const STORED = "keyboard-shortcuts";

  // A browser that keeps nothing leaves them on.
  const recall = () => {
    try {
      return localStorage.getItem(STORED) !== "off";
    } catch {
      return true;
    }
  };
  const remember = (on) => {
    try {
      localStorage.setItem(STORED, on ? "on" : "off");
    } catch {
      // They are off on this page at least.
    }
  };
  enabled.checked = recall();
  enabled.addEventListener("change", () => remember(enabled.checked));

  const help = () => {
    if (!dialog.open) dialog.showModal();
  };
  opener.hidden = false;
  opener.addEventListener("click", help);

  const isTyping = (element) =>
    element.isContentEditable || element.matches("input:not([type=checkbox], [type=radio], [type=file], [type=submit]), textarea, select");

  // One link of each item that can be seen: of a list, or of a row of a table.
  const stops = () =>
    Array.from(document.querySelectorAll("main li.item, main tbody tr"), (item) => item.querySelector("a.title, a"))
      .filter((link) => link && link.checkVisibility());

  const step = (by) => {
    const links = stops();
    if (links.length === 0) return;
    const item = document.activeElement.closest("li.item, tbody tr");
    const at = item ? links.findIndex((link) => item.contains(link)) : -1;
    const to = at === -1 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1);
    links[to].focus();
    links[to].scrollIntoView({ block: "nearest" });
  };

  // Into this field of the page, or to the page that has it.
  const enter = (selector, path) => {
    const field = document.querySelector(selector);
    if (!field || !field.checkVisibility()) return window.location.assign(path);
    field.focus();
    field.select();
  };

  const keys = {
    "/": () => enter("main [role=search] input[type=search]", "/search"),
    n: () => enter("form.save #url", "/save"),
    j: () => step(1),
    k: () => step(-1),
    "?": help,
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!enabled.checked || document.querySelector("dialog[open]") || isTyping(event.target)) return;
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
