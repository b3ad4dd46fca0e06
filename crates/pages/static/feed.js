// Puts new activities on top of the feed as they happen. It starts behind the page as it was drawn, and goes on where it was cut off;
// an activity that is on the page already is not shown again.
"use strict";

(() => {
  const list = document.getElementById("feed");
  const template = document.getElementById("activity");
  const told = document.getElementById("told");
  const pause = document.getElementById("pause");
  if (!list || !list.dataset.stream || !template || !window.EventSource) return;

  const MOST = 300;
  const FIRST_WAIT_MS = 1000;
  const LONGEST_WAIT_MS = 30000;
  let after = list.dataset.after;
  let wait = FIRST_WAIT_MS;
  let timer = 0;
  let source = null;
  // What came since somebody paused the feed, as far as the list would show it; `null` while it goes on.
  let held = null;

  const part = (item, selector, text, href) => {
    const element = item.querySelector(selector);
    element.textContent = text;
    if (href) element.setAttribute("href", href);
  };

  const draw = (activity) => {
    const item = template.content.firstElementChild.cloneNode(true);
    // The server lets only http and https in; nothing else becomes a link here either.
    const url = new URL(activity.card.url);
    if (url.protocol !== "http:" && url.protocol !== "https:") return null;
    item.id = "activity-" + activity.id;
    part(item, ".title", activity.card.title || activity.card.url.replace(/^[a-z]+:\/\//i, "").replace(/\/+$/, ""), activity.card.url);
    if (activity.card.title) {
      const domain = document.createElement("span");
      domain.className = "domain";
      domain.textContent = url.hostname;
      item.querySelector(".line").append(" ", domain);
    }
    part(item, ".actor", activity.actor.handle, "/@" + encodeURIComponent(activity.actor.handle));
    part(item, ".card", "this", "/cards/" + activity.card.id);
    const into = item.querySelector(".into");
    activity.collections.forEach((collection, index) => {
      const link = document.createElement("a");
      link.href = "/collections/" + collection.id;
      link.textContent = collection.name;
      into.append(index === 0 ? " in " : ", ", link);
    });
    const time = item.querySelector("time");
    time.dateTime = activity.createdAt;
    time.title = activity.createdAt;
    time.textContent = "just now";
    return item;
  };

  const show = (activity) => {
    if (document.getElementById("activity-" + activity.id)) return;
    const item = draw(activity);
    if (!item) return;
    list.prepend(item);
    const empty = document.getElementById("empty");
    if (empty) empty.remove();
    while (list.children.length > MOST) list.lastElementChild.remove();
    if (told) told.textContent = "New: " + item.querySelector(".title").textContent;
  };

  const receive = (event) => {
    after = event.lastEventId || after;
    const activity = JSON.parse(event.data);
    if (!held) return show(activity);
    held.push(activity);
    if (held.length > MOST) held.shift();
    pause.textContent = "Go on, " + held.length + " new";
  };

  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      const waiting = held || [];
      held = held ? null : [];
      pause.textContent = held ? "Go on" : "Pause";
      waiting.forEach(show);
    });
  }

  // The browser reconnects by itself after a cut, but gives up when it is answered with an error: then this does it, ever more slowly.
  const open = () => {
    source = new EventSource(list.dataset.stream + "?lastEventId=" + encodeURIComponent(after));
    source.addEventListener("open", () => {
      wait = FIRST_WAIT_MS;
      list.dataset.live = "on";
    });
    source.addEventListener("activity", receive);
    source.addEventListener("error", () => {
      list.dataset.live = "off";
      if (source.readyState !== EventSource.CLOSED) return;
      window.clearTimeout(timer);
      timer = window.setTimeout(open, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    });
  };

  open();
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) open();
  });
})();
