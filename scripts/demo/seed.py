"""Fills an empty Cardwire by its API, as people would. Run again, it changes nothing. Standard library only.

Usage: python3 seed.py CARDWIRE_URL PORT_OF_THE_SITE PASSWORD names|address

`names`: the made-up names of sites lead to this machine. `address`: they do not, so 127.0.0.1 stands for all."""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from content import COLLECTIONS, PAGES, PEOPLE, SAVES

BASE, SITE_PORT, PASSWORD, HOSTS = sys.argv[1:5]
# None of these requests is for a proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, path, token=None, body=None, accept=()):
    request = urllib.request.Request(BASE + path, method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with OPENER.open(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        if error.code in accept:
            return None
        sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")


def link(index):
    host, path, _, _ = PAGES[index]
    return f"http://{host if HOSTS == 'names' else '127.0.0.1'}:{SITE_PORT}{path}"


def people():
    """Tokens and ids, by handle."""
    tokens, ids = {}, {}
    for handle, name, bio in PEOPLE:
        ask("POST", "/api/users", body={"handle": handle, "password": PASSWORD}, accept=[409])
        signed_in = ask("POST", "/api/users/login", body={"handle": handle, "password": PASSWORD})
        tokens[handle] = signed_in["accessToken"]
        ask("PUT", "/api/users/me", tokens[handle], {"displayName": name, "bio": bio})
        ids[handle] = ask("GET", "/api/users/me", tokens[handle])["id"]
    return tokens, ids


def collections(tokens, ids):
    """Ids, by name."""
    made = {}
    for author, name, description, is_open, is_private, shared_with in COLLECTIONS:
        own = ask("GET", "/api/collections?limit=100", tokens[author])["items"]
        found = [collection["id"] for collection in own if collection["name"] == name]
        if found:
            made[name] = found[0]
            continue
        body = {
            "name": name,
            "description": description,
            "accessType": "OPEN" if is_open else "CLOSED",
            "visibility": "PRIVATE" if is_private else "PUBLIC",
        }
        made[name] = ask("POST", "/api/collections", tokens[author], body)["id"]
        if shared_with:
            users = {"userIds": [ids[handle] for handle in shared_with]}
            ask("PUT", f"/api/collections/{made[name]}/collaborators", tokens[author], users)
            # The last one has not answered yet, so that there is an invitation to look at.
            for handle in shared_with[:-1] or shared_with:
                ask("POST", f"/api/collections/{made[name]}/membership", tokens[handle])
    return made


def saves(tokens, made):
    for person, index, title, note, is_private, names in SAVES:
        known = ask("GET", f"/api/cards/library/status?url={urllib.parse.quote(link(index), safe='')}", tokens[person])
        if known["inLibrary"]:
            continue
        body = {
            "url": link(index),
            "visibility": "PRIVATE" if is_private else "PUBLIC",
            "collectionIds": [made[name] for name in names],
        }
        if title:
            body["title"] = title
        if note:
            body["note"] = note
        ask("POST", "/api/cards/library/urls", tokens[person], body)


def pages_are_read(tokens):
    """Waits until every page has been fetched, so that titles and pictures are there."""
    for _ in range(240):
        lists = [ask("GET", "/api/cards/my?limit=100", token)["items"] for token in tokens.values()]
        if all(card.get("title") for cards in lists for card in cards):
            return
        time.sleep(0.5)
    print("Some pages could not be read yet. They are tried again later.", file=sys.stderr)


tokens, ids = people()
saves(tokens, collections(tokens, ids))
pages_are_read(tokens)
