"""Holds every gcloud command of a document against gcloud's own list of commands and flags.

    gcloud.py LIST DOCUMENT     LIST is gcloud's data/cli/gcloud_completions.py
"""

import importlib.util
import re
import sys


def tree(path):
    spec = importlib.util.spec_from_file_location("completions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.STATIC_COMPLETION_CLI_TREE


def commands(document):
    """Each command in a block, in one line."""
    for block in re.findall(r"^```sh\n(.*?)^```", document, re.S | re.M):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            # What stands in quotes is a value, and may hold anything.
            bare = re.sub(r"'[^']*'", "VALUE", line)
            while bare != (shorter := re.sub(r'"[^"]*"', "VALUE", bare)):
                bare = shorter
            for found in re.finditer(r"\bgcloud ([^|;()#]*)", bare):
                yield found.group(1).split()


def main(path, document):
    known, count = tree(path), 0
    for words in commands(open(document).read()):
        node, name = known, []
        while words and words[0] in node["commands"]:
            node = node["commands"][words[0]]
            name.append(words.pop(0))
        count += 1
        if node["commands"]:
            print(f"gcloud has no command: {' '.join([*name, *words[:1]])}")
        for word in words:
            flag = word.split("=")[0]
            flags = node["flags"] | known["flags"]
            is_off = flags.get(flag.replace("--no-", "--", 1)) == "bool"
            if flag.startswith("--") and flag not in flags and not is_off:
                print(f"gcloud {' '.join(name)} has no flag {flag}")
    if count < 20:
        print(f"only {count} commands were found")


main(*sys.argv[1:])
