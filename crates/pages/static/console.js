// Pages of operators bring themselves up to date: they fetch themselves and replace what is live. Focus and scrolling stay as they are.
"use strict";

(() => {
  const age = document.getElementById("age");
  const button = document.getElementById("pause-updates");
  const live = () => document.getElementById("live");
  if (!age || !button || !live()) return;

  let drawn = Date.now();
  let paused = false;
  let failing = false;
  let pressed = false;
  let busy = false;
  let last = Date.now();
  const told = document.getElementById("told");
  const tell = (text) => { if (told) told.textContent = text; };
  const every = () => Number(live().dataset.every || 0) * 1000;

  const show = () => {
    const seconds = Math.round((Date.now() - drawn) / 1000);
    const old = seconds < 2 ? "Just updated" : "Updated " + seconds + " s ago";
    const is = failing ? "Cannot update: these figures are " + seconds + " s old"
      : paused ? "Paused: these figures are " + seconds + " s old"
      : every() ? old : "Complete: nothing more will change by itself";
    if (age.textContent !== is) age.textContent = is;
    age.classList.toggle("old", failing);
  };

  const matters = (root) => {
    const list = root.querySelectorAll("#matters .alarm span");
    return Array.from(list, (item) => item.textContent).join(" ");
  };

  // Where the focus is: an element with an id, or the n-th of its kind that leads to the same place. What comes or goes above it must not
  // move the focus to a link that leads elsewhere.
  const focused = () => {
    const active = document.activeElement;
    if (!active || !live().contains(active)) return null;
    if (active.id) return () => document.getElementById(active.id);
    const [name, href] = [active.tagName, active.getAttribute("href")];
    const same = () => Array.from(live().getElementsByTagName(name)).filter((one) => one.getAttribute("href") === href);
    const place = same().indexOf(active);
    return () => same()[place];
  };

  const swap = (fresh) => {
    const back = focused();
    const regions = Array.from(live().querySelectorAll(".scroll[id]"), (one) => [one.id, one.scrollLeft, one.scrollTop]);
    const open = Array.from(live().querySelectorAll("details[id][open]"), (one) => one.id);
    const [x, y] = [window.scrollX, window.scrollY];
    const before = matters(live());
    live().replaceWith(fresh);
    for (const [id, left, top] of regions) {
      const region = document.getElementById(id);
      if (region) [region.scrollLeft, region.scrollTop] = [left, top];
    }
    for (const id of open) {
      const part = document.getElementById(id);
      if (part) part.open = true;
    }
    const target = back && back();
    if (target) target.focus({ preventScroll: true });
    window.scrollTo(x, y);
    const now = matters(live());
    if (now !== before) tell(now || "Nothing needs attention any more.");
  };

  // Not while somebody presses, or has text selected.
  const held = () => pressed || (String(getSelection()) !== "" && live().contains(getSelection().anchorNode));

  const update = async () => {
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(8000) });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (!fresh) throw new Error("another page");
      if (!paused && !held()) {
        swap(document.adoptNode(fresh));
        drawn = Date.now();
      }
      if (failing) tell("Updates are back.");
      failing = false;
    } catch {
      if (!failing) tell("Cannot update this page.");
      failing = true;
    } finally {
      busy = false;
      last = Date.now();
      show();
    }
  };

  document.addEventListener("pointerdown", () => { pressed = true; });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { setTimeout(() => { pressed = false; }, 300); });
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume updates" : "Pause updates";
    if (!paused) last = 0;
    show();
  });
  setInterval(() => {
    show();
    if (!paused && !busy && every() && !document.hidden && Date.now() - last >= every()) update();
  }, 250);
})();
