"""The web that the demo saves links from: small pages with titles, descriptions, icons and pictures, drawn here. Standard library only.

Usage: python3 site.py PORT"""

import hashlib
import html
import struct
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from content import PAGES


def png(width, height, row):
    """`row(y)`: the bytes of a line, three for each pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + row(y) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def colour(text, lightness):
    digest = hashlib.sha256(text.encode()).digest()
    return bytes(int(lightness * 255 * 0.5 + part * 0.5 * lightness) for part in digest[:3])


def cover(name):
    """Hills below a sun, in colours that follow from the name."""
    width, height = 640, 336
    sky, sun, near, far = (colour(name + part, light) for part, light in [("sky", 1.0), ("sun", 1.2), ("near", 0.5), ("far", 0.75)])
    sun = bytes(min(255, part) for part in sun)
    seed = hashlib.sha256(name.encode()).digest()
    middle, radius = 120 + seed[0] * 400 // 255, 40 + seed[1] // 6
    slope = (seed[2] - 128) / 900

    def row(y):
        half = int(max(0, radius**2 - (y - 110) ** 2) ** 0.5)
        line = bytearray(sky * (middle - half) + sun * (2 * half) + sky * (width - middle - half)) if half else bytearray(sky * width)
        for hill, top, lean in [(far, 190, slope), (near, 250, -slope)]:
            # The pixels of this line that are below the hill's edge.
            if lean == 0:
                left, right = (0, width) if y > top else (0, 0)
            else:
                edge = width / 2 + (y - top) / lean
                left, right = (0, edge) if lean > 0 else (edge, width)
            left, right = max(0, min(width, int(left))), max(0, min(width, int(right)))
            line[left * 3 : right * 3] = hill * (right - left)
        return bytes(line)

    return png(width, height, row)


def icon(host):
    outer, inner = colour(host, 0.6), colour(host + "inner", 1.0)
    return png(32, 32, lambda y: outer * 32 if y < 6 or y > 25 else outer * 6 + inner * 20 + outer * 6)


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers.get("Host", "").split(":")[0]
        found = [page for page in PAGES if page[1] == self.path]
        if self.path == "/icon.png":
            self.answer("image/png", icon(host))
        elif self.path.startswith("/cover/"):
            self.answer("image/png", cover(self.path))
        elif found:
            self.answer("text/html; charset=utf-8", page_of(*found[0]).encode())
        else:
            self.send_error(404)

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def page_of(host, path, title, description):
    site = host.split(".")[0].capitalize()
    title, description = html.escape(title), html.escape(description)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} · {site}</title>
<meta name="description" content="{description}">
<meta property="og:type" content="article">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{description}">
<meta property="og:site_name" content="{site}">
<meta property="og:image" content="/cover{path}.png">
<link rel="icon" type="image/png" href="/icon.png">
</head>
<body><h1>{title}</h1><p>{description}</p></body>
</html>
"""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Site).serve_forever()
