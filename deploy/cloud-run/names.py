"""Holds every name in the Terraform files against the provider's schema, and every reference against what there is.

    names.py FOLDER FILE...     FOLDER has the schema as TypeScript declarations: cloud-run-v2-job/index.d.ts and so on
    names.py --types FILE...    prints the resource types, as folders of that schema are called

Terraform's own `validate` does that and more, but needs the provider, which no package registry has.
"""

import pathlib
import re
import sys

import hcl2

# What Terraform itself takes in every resource.
OF_TERRAFORM = {"count", "for_each", "depends_on", "lifecycle", "provider"}


def plain(name):
    return name.strip('"')


def camel(name):
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), name)


def folder_of(kind):
    return kind.removeprefix("google_").replace("_", "-")


def interface_of(kind):
    return "".join(word.capitalize() for word in folder_of(kind).split("-")) + "Config"


def declared(path):
    """Each interface's fields: whether one must be there, whether there may be several, and of which interface a block is."""
    interfaces = {}
    text = path.read_text()
    for name, body in re.findall(r"^export interface (\w+)[^{]*\{(.*?)^\}", text, re.S | re.M):
        fields = re.findall(r"^    readonly (\w+)(\??): (.*)$", body, re.M)
        interfaces[name] = {
            field: (not optional, "[]" in kind, re.match(r"\w+", kind)) for field, optional, kind in fields
        }
    return interfaces


def resources(document):
    for entry in document.get("resource", []):
        for kind, named in entry.items():
            if not kind.startswith("__"):
                for name, body in named.items():
                    yield plain(kind), plain(name), body


def blocks(value):
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict) and one.get("__is_block__")]


def held(where, body, interface, interfaces, extra, complain):
    given = {name: value for name, value in body.items() if not name.startswith("__") and name != "dynamic"}
    for entry in body.get("dynamic", []):
        for name, block in entry.items():
            if not name.startswith("__"):
                given[plain(name)] = [*given.get(plain(name), []), *block["content"]]
    fields = interfaces[interface]
    for name, (must, _, _) in fields.items():
        if must and name not in map(camel, given):
            complain(f"{where} lacks {name}")
    for name, value in given.items():
        if name in extra:
            continue
        if camel(name) not in fields:
            complain(f"{where}: there is no {name}")
            continue
        _, several, kind = fields[camel(name)]
        inner = kind and kind.group() in interfaces
        if bool(inner) != bool(blocks(value)):
            complain(f"{where}: {name} is {'a block' if inner else 'no block'}")
        elif inner:
            if not several and len(blocks(value)) > 1:
                complain(f"{where}: {name} may be there once")
            for block in blocks(value):
                held(f"{where}.{name}", block, kind.group(), interfaces, set(), complain)


def references(texts, documents, complain):
    variables = {plain(name) for document in documents for entry in document.get("variable", []) for name in entry}
    local = {name for document in documents for entry in document.get("locals", []) for name in entry}
    known = {f"{kind}.{name}" for document in documents for kind, name, _ in resources(document)}
    code = "\n".join(re.sub(r"(?m)^\s*#.*$", "", text) for text in texts)
    used = set(re.findall(r"\bvar\.(\w+)", code))
    for name in used ^ {name for name in variables if not name.startswith("__")}:
        complain(f"the variable {name} is used and not there, or there and not used")
    for name in set(re.findall(r"\blocal\.(\w+)", code)) - local:
        complain(f"there is no local.{name}")
    for name in set(re.findall(r"\b(google_\w+\.\w+)", code)) - known:
        complain(f"there is no {name}")


def main(folder, *files):
    texts = [pathlib.Path(file).read_text() for file in files]
    documents = [hcl2.loads(text) for text in texts]
    if folder == "--types":
        print(*sorted({folder_of(kind) for document in documents for kind, _, _ in resources(document)}), sep="\n")
        return 0
    wrong = []
    for document in documents:
        for kind, name, body in resources(document):
            path = pathlib.Path(folder, folder_of(kind), "index.d.ts")
            if path.exists():
                held(f"{kind}.{name}", body, interface_of(kind), declared(path), OF_TERRAFORM, wrong.append)
            else:
                wrong.append(f"{kind}.{name}: the provider has no such resource")
    references(texts, documents, wrong.append)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return bool(wrong)


sys.exit(main(*sys.argv[1:]))
