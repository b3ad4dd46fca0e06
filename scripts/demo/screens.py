"""Pictures of the demo's pages, through chromedriver. Standard library only.

Usage: python3 screens.py CARDWIRE_URL FOLDER PORT_FOR_CHROMEDRIVER [PAGE...]"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

BASE, FOLDER, PORT, *WANTED = sys.argv[1:]
PASSWORD = "look-around-here"
# name, width, whether a phone, whether dark
LOOKS = [("desktop", 1280, False, False), ("phone", 360, True, False), ("dark", 1280, False, True)]
# A path, or else a path and selectors of the links to follow from there, one page after the other.
SIGNED_OUT = [
    ("welcome", "/"),
    ("sign-in", "/sign-in"),
    ("sign-up", "/sign-up"),
    ("person", "/@maya"),
    ("person-collections", "/@maya/collections"),
    ("link", ("/@tom", "main .items a[href^='/url?']")),
    ("which-link", "/url"),
    ("directory", "/collections/all"),
    ("save-from-anywhere", "/save-from-anywhere"),
]
# Of somebody who has just signed up.
NEWCOMER = [("first-feed", "/"), ("first-library", "/library"), ("first-collections", "/collections")]
SIGNED_IN = [
    ("feed", "/"),
    ("library", "/library"),
    ("save", "/save?url=https://example.com/"),
    ("card", ("/library", "main .items a[href^='/cards/']")),
    ("collections", "/collections"),
    ("collection", ("/collections", "main .items a[href^='/collections/']")),
    ("search", "/search?q=street"),
    ("trends", "/trends"),
    ("import", "/import"),
    ("account", "/account"),
    ("sessions", "/account/sessions"),
    ("tokens", "/account/tokens"),
    ("people", "/admin/people"),
    ("hidden-cards", "/admin/cards"),
    ("operations", "/admin"),
    ("queue", "/admin/queues/feeds"),
    ("dead-letters", "/admin/queues/search/dead"),
    ("failures", "/admin/queues/search/failures"),
    ("workers", "/admin/workers"),
    ("windows", "/admin/windows"),
    ("publishing", "/admin/records"),
    ("replays", "/admin/replays"),
    ("actions", "/admin/actions"),
    ("find", "/admin/find?q=jun"),
    ("one-save", ("/admin/find?q=jun", "main .items a[href^='/admin/find?q=']", "main .items a[href^='/admin/saves/']")),
    ("missing", "/nothing-here"),
]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, {"Content-Type": "application/json"}, method=method)
    with OPENER.open(request, timeout=60) as answer:
        return json.load(answer)["value"]


class Window:
    def __init__(self):
        arguments = ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-background-networking"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        options = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments}}
        session = ask("/session", {"capabilities": {"alwaysMatch": options}})
        self.at = f"/session/{session['sessionId']}"

    def devtools(self, command, **parameters):
        return ask(f"{self.at}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script, *arguments):
        return ask(f"{self.at}/execute/sync", {"script": script, "args": list(arguments)})

    def open(self, path):
        ask(f"{self.at}/url", {"url": BASE + path})

    def look(self, width, is_phone, is_dark):
        height = 740 if is_phone else 800
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])

    def until(self, script):
        for _ in range(200):
            if self.run(f"return {script}"):
                return
            time.sleep(0.05)
        sys.exit(f"never: {script}")

    def sign_in(self, handle):
        self.open("/sign-in")
        fill = "const [name, value] = arguments; document.querySelector(name).value = value"
        self.run(fill, "#handle", handle)
        self.run(fill, "#password", PASSWORD)
        self.run("document.querySelector('#password').form.requestSubmit()")
        self.until("location.pathname !== '/sign-in' && document.readyState === 'complete'")

    def picture(self, name):
        self.until("document.readyState === 'complete' && Array.from(document.images).every((image) => image.complete || image.loading === 'lazy')")
        shown = self.devtools("Page.captureScreenshot", format="png")
        (pathlib.Path(FOLDER) / f"{name}.png").write_bytes(base64.b64decode(shown["data"]))

    def close(self):
        ask(self.at, method="DELETE")


def take(pages, handle=None):
    pages = [page for page in pages if not WANTED or page[0] in WANTED]
    for look, width, is_phone, is_dark in LOOKS if pages else []:
        window = Window()
        try:
            window.look(width, is_phone, is_dark)
            if handle:
                window.sign_in(handle)
            for name, place in pages:
                start, *links = [place] if isinstance(place, str) else place
                window.open(start)
                for link in links:
                    path = window.run("return document.querySelector(arguments[0])?.getAttribute('href')", link)
                    if not path:
                        sys.exit(f"{name}: there is no {link}")
                    window.open(path)
                window.picture(f"{name}-{look}")
                print(f"{name}-{look}.png")
        finally:
            window.close()


driver = subprocess.Popen(["chromedriver", f"--port={PORT}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(200):
        try:
            ask("/status")
            break
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    take(SIGNED_OUT)
    take(NEWCOMER, "noor")
    take(SIGNED_IN, "maya")
finally:
    driver.terminate()
    driver.wait()
