#!/usr/bin/env python3
"""Answers forty questions about Debian's package list from its JSON lines, each by a function of its own.

    debian_questions.py PACKAGES.jsonl

Prints one JSON line for each question: the text of the query that asks the same, and the names of the packages that answer it,
sorted bytewise. Knows nothing of queries: the texts are names here.
"""

import json
import re
import sys


def has_words(text, *words):
    """Whether a text has all of these words, whatever the case: a word is letters, digits and what joins them."""
    found = {word.casefold() for word in re.findall(r"\w+(?:['.:’]\w+)*", text)}
    return all(word in found for word in words)


def depends_on_libc6(p):
    return any(one == "libc6" or one.startswith("libc6 ") for one in p["depends"])


def is_music(p):
    return "music" in p["description"] and (p["section"] == "sound" or p["size"] < 100000) and p["package"] > "m"


PROGRAM, COMMAND_LINE = "role::program", "interface::commandline"

QUESTIONS = {
    "true": lambda p: True,
    "package = 'bash'": lambda p: p["package"] == "bash",
    "package ^= 'lib'": lambda p: p["package"].startswith("lib"),
    "not package ^= 'lib'": lambda p: not p["package"].startswith("lib"),
    "package *= 'python3'": lambda p: "python3" in p["package"],
    "package < 'b'": lambda p: p["package"] < "b",
    "package between 'gcc' and 'gdb'": lambda p: "gcc" <= p["package"] <= "gdb",
    "package in ['bash', 'dash', 'zsh', 'no such']": lambda p: p["package"] in {"bash", "dash", "zsh"},
    "section = 'games'": lambda p: p["section"] == "games",
    "section = 'games' and size > 10000000": lambda p: p["section"] == "games" and p["size"] > 10**7,
    "section in ['libs', 'libdevel', 'oldlibs']": lambda p: p["section"] in {"libs", "libdevel", "oldlibs"},
    "section ^= 'lib' and not section = 'libs'": lambda p: p["section"].startswith("lib") and p["section"] != "libs",
    "priority != 'optional'": lambda p: p["priority"] != "optional",
    "priority = 'required' or priority = 'important'": lambda p: p["priority"] in {"required", "important"},
    "architecture = 'all'": lambda p: p["architecture"] == "all",
    "architecture = 'all' and section = 'python'": lambda p: (p["architecture"], p["section"]) == ("all", "python"),
    "size >= 1000000": lambda p: p["size"] >= 1000000,
    "size < 1000.5": lambda p: p["size"] <= 1000,
    "size between 4096 and 8192": lambda p: 4096 <= p["size"] <= 8192,
    "installed_size_kib > 100000 or size > 50000000": lambda p: p["installed_size_kib"] > 100000 or p["size"] > 50000000,
    "installedSizeKib = 0": lambda p: p["installed_size_kib"] == 0,
    "not (size > 1000 and installed_size_kib > 100)": lambda p: p["size"] <= 1000 or p["installed_size_kib"] <= 100,
    "len(depends) = 0": lambda p: not p["depends"],
    "len(depends) > 20": lambda p: len(p["depends"]) > 20,
    "len(tags) between 5 and 7": lambda p: len(p["tags"]) in range(5, 8),
    "'role::program' in tags": lambda p: PROGRAM in p["tags"],
    "'role::program' in tags and 'interface::commandline' in tags": lambda p: {PROGRAM, COMMAND_LINE} <= set(p["tags"]),
    "'role::program' in tags and not any(tags, it ^= 'interface::')": lambda p: PROGRAM in p["tags"]
    and all(not tag.startswith("interface::") for tag in p["tags"]),
    "any(tags, it ^= 'culture::')": lambda p: any(tag.startswith("culture::") for tag in p["tags"]),
    "len(tags) > 0 and all(tags, it *= 'devel')": lambda p: p["tags"] != [] and all("devel" in tag for tag in p["tags"]),
    "any(depends, it = 'libc6' or it ^= 'libc6 ')": depends_on_libc6,
    "any(depends, it ^= 'python3') and architecture != 'all'": lambda p: p["architecture"] != "all"
    and any(one.startswith("python3") for one in p["depends"]),
    "maintainer *= '@debian.org'": lambda p: "@debian.org" in p["maintainer"],
    "maintainer *= 'Debian' and not maintainer *= 'lists'": lambda p: "Debian" in p["maintainer"]
    and "lists" not in p["maintainer"],
    "homepage = ''": lambda p: p["homepage"] == "",
    "homepage ^= 'https://github.com/'": lambda p: p["homepage"].startswith("https://github.com/"),
    "version ^= '0.'": lambda p: p["version"].startswith("0."),
    "len(description) > 2000": lambda p: len(p["description"].encode()) > 2000,
    "description ~= 'chess engine'": lambda p: has_words(p["description"], "chess", "engine"),
    "description *= 'music' and (section = 'sound' or size < 100000) and package > 'm'": is_music,
}


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        packages = [json.loads(line) for line in lines]
    # Texts stand in the order of their bytes.
    packages.sort(key=lambda p: p["package"].encode())
    for question, holds in QUESTIONS.items():
        names = [p["package"] for p in packages if holds(p)]
        print(json.dumps({"question": question, "packages": names}))


main()
