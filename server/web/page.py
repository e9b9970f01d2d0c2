#!/usr/bin/python3
"""Joins page.html, page.css and page.js into the one document that is served, and writes the hashes
of what is inline into its Content-Security-Policy, so that nothing else on the page ever runs.

Usage: page.py page.html page.css page.js OUTPUT
"""
import base64
import hashlib
import pathlib
import sys


def hash_of(text):
    """A source expression of CSP: the browser hashes what stands between the tags, byte for byte."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def replace_once(text, old, new):
    if text.count(old) != 1:
        sys.exit(f"page.py: {old} stands {text.count(old)} times in page.html, not once")
    return text.replace(old, new)


def join(page, style, script):
    for text, closing in ((style, "</style"), (script, "</script")):
        if closing in text.lower():
            sys.exit(f"page.py: {closing} would end the element it stands in")
    style, script = f"\n{style}", f"\n{script}"
    page = replace_once(page, "{style_hash}", hash_of(style))
    page = replace_once(page, "{script_hash}", hash_of(script))
    page = replace_once(page, '<link rel="stylesheet" href="page.css">', f"<style>{style}</style>")
    return replace_once(page, '<script src="page.js"></script>', f"<script>{script}</script>")


def main():
    page, style, script = (pathlib.Path(name).read_text(encoding="utf-8") for name in sys.argv[1:4])
    pathlib.Path(sys.argv[4]).write_text(join(page, style, script), encoding="utf-8")


if __name__ == "__main__":
    main()
