// Puts new activities on top of the feed as they happen. It starts behind the page as it was drawn, and goes on where it was cut off;
// an activity that is on the page already is not shown again.
"use strict";

(() => {
  const list = document.getElementById("feed");
  const template = document.getElementById("group");
  const told = document.getElementById("told");
  const pause = document.getElementById("pause");
  if (!list || !list.dataset.stream || !template || !window.EventSource) return;

  const MOST = 300;
  const FIRST_WAIT_MS = 1000;
  const LONGEST_WAIT_MS = 30000;
  // The page behind a new link is hardly ever read yet. What it says is fetched from the server, as often as the server offers it.
  const FIRST_LOOK_MS = 2000;
  // So many links are looked up within so long: in a busy feed, nobody reads them all, and the server counts what is read.
  const MOST_LOOKS = 20;
  const LOOKS_WITHIN_MS = 10000;
  const looked = [];
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

  const mayLook = () => {
    const now = Date.now();
    while (looked.length > 0 && now - looked[0] > LOOKS_WITHIN_MS) looked.shift();
    return looked.length < MOST_LOOKS && looked.push(now) > 0;
  };

  // The page of somebody.
  const person = ({ handle }) => "/@" + encodeURIComponent(handle);

  // A group with this activity alone.
  const draw = (activity) => {
    const group = template.content.firstElementChild.cloneNode(true);
    // The server lets only http and https in; nothing else becomes a link here either.
    const url = new URL(activity.card.url);
    if (url.protocol !== "http:" && url.protocol !== "https:") return null;
    group.dataset.actor = activity.actor.id;
    part(group, ".actor", activity.actor.handle, person(activity.actor));
    const item = group.querySelector(".item");
    item.id = "activity-" + activity.id;
    const title = activity.card.title || activity.card.url.replace(/^[a-z]+:\/\//i, "").replace(/\/+$/, "");
    part(item, ".title", title, activity.card.url);
    if (activity.card.title) {
      const domain = document.createElement("span");
      domain.className = "domain";
      domain.textContent = url.hostname;
      item.querySelector(".line").append(" ", domain);
    }
    // A tile until the page was read, as the server draws it: of the site's letter and colour.
    const icon = item.querySelector(".icon");
    const site = url.hostname.replace(/^www\./, "");
    const sum = [...site].reduce((sum, character) => (Math.imul(sum, 31) + character.charCodeAt(0)) >>> 0, 0);
    icon.className = "icon tile tile-" + (sum % 8);
    icon.dataset.letter = site.slice(0, 1).toUpperCase();
    if (mayLook()) {
      const body = item.querySelector(".body");
      body.setAttribute("data-hx-get", "/cards/" + activity.card.id + "/body");
      body.setAttribute("data-hx-trigger", "load delay:" + FIRST_LOOK_MS + "ms");
      body.setAttribute("data-hx-swap", "outerHTML");
    }
    item.querySelector(".card").setAttribute("href", "/cards/" + activity.card.id);
    part(item, ".card .hidden", ": " + title);
    const into = item.querySelector(".into");
    activity.collections.forEach((collection, index) => {
      const link = document.createElement("a");
      link.href = "/collections/" + collection.id;
      link.dir = "auto";
      link.textContent = collection.name;
      into.append(index === 0 ? "in " : ", ", link);
    });
    if (activity.collections.length > 0) into.append(" · ");
    const time = item.querySelector("time");
    time.dateTime = new Date(activity.createdAt).toISOString();
    time.title = activity.createdAt;
    time.textContent = "just now";
    return group;
  };

  // Joins the group on top if that is the same person's, as the server would draw it.
  const place = (group) => {
    const top = list.firstElementChild;
    if (!top || top.dataset.actor !== group.dataset.actor) {
      list.prepend(group);
      return;
    }
    top.querySelector(".items").prepend(group.querySelector(".item"));
    top.querySelector(".saved").textContent = top.querySelectorAll(".item").length + " links";
  };

  const show = (activity) => {
    if (document.getElementById("activity-" + activity.id)) return;
    const group = draw(activity);
    if (!group) return;
    const item = group.querySelector(".item");
    place(group);
    if (window.htmx) window.htmx.process(item);
    const empty = document.getElementById("empty");
    if (empty) empty.remove();
    while (list.children.length > 1 && list.querySelectorAll(".item").length > MOST) list.lastElementChild.remove();
    if (told) told.textContent = "New: " + item.querySelector(".title").textContent;
  };

  const receive = (event) => {
    after = event.lastEventId || after;
    const activity = JSON.parse(event.data);
    if (!held) return show(activity);
    held.push(activity);
    if (held.length > MOST) held.shift();
    pause.textContent = "Resume (" + held.length + " new)";
  };

  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      const waiting = held || [];
      held = held ? null : [];
      pause.textContent = held ? "Resume" : "Pause";
      waiting.forEach(show);
    });
  }

  // The browser reconnects by itself after a cut, but gives up when it is answered with an error: then this does it, with growing pauses.
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
