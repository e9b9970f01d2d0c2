#!/usr/bin/python3
"""Every relative link in a markdown file leads to a file of the project, and to a heading in it.

Usage: check_links.py [ROOT]
"""
import posixpath
import re
import sys

import tree

FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*<?(\S+?)>?\s*$",
                  re.MULTILINE)
HEADING = re.compile(r"^#+\s+(.+?)\s*#*$", re.MULTILINE)
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def anchors_of(text):
    """The names that GitHub and its like give to headings."""
    names = set()
    for heading in HEADING.findall(FENCE.sub(blank, text)):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        names.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return names


def find_link_fault(root, name, link):
    """What is wrong with the link; None where nothing is."""
    if SCHEME.match(link):
        return None
    path, _, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
    if target.startswith("../") or path.startswith("/"):
        return f"{link} leads out of the project"
    if not (root / target).exists():
        return f"{link} leads nowhere"
    if anchor and target.endswith(".md") and anchor not in anchors_of((root / target).read_text()):
        return f"{target} has no heading #{anchor}"
    return None


def find_faults(root):
    faults = []
    for name in tree.list_files(root):
        if not name.endswith(".md"):
            continue
        text = CODE.sub(blank, FENCE.sub(blank, (root / name).read_text()))
        for match in LINK.finditer(text):
            fault = find_link_fault(root, name, match[1] or match[2])
            if fault:
                line = text.count("\n", 0, match.start()) + 1
                faults.append(tree.Fault(name, line, fault))
    return faults


if __name__ == "__main__":
    sys.exit(tree.report("links", find_faults(tree.root_of_arguments())))
