"""openapi.json and API.md against the route tables, the problem table and real documents."""
import json
import os
import pathlib
import re
import subprocess

import pytest

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")

ROOT = pathlib.Path(os.environ["SOURCE_ROOT"])
API = json.loads((ROOT / "server/web/openapi.json").read_text())
GUIDE = (ROOT / "server/API.md").read_text()
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def print_api(*words, stdin=""):
    return subprocess.run([os.environ["PRINT_API"], *words], input=stdin, capture_output=True, text=True,
                          check=True, timeout=60).stdout.splitlines()


LINES = [json.loads(line) for line in print_api()]
ROUTES = next(line["routes"] for line in LINES if "routes" in line)
PROBLEMS = {one["code"]: one for line in LINES for one in line.get("problems", ())}
DOCUMENTS = [(line["schema"], line["document"]) for line in LINES if "schema" in line]
# Nobody is left to be told.
SENT = {code for code in PROBLEMS if code != "client_gone"}


def schema(name):
    """One of the components, with what it refers to."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"#/components/schemas/{name}", "components": API["components"]}


def is_valid(document, name):
    return jsonschema.Draft202012Validator(schema(name)).is_valid(document)


def test_the_description_has_the_routes_and_no_others():
    described = {(path, method.upper()) for path, item in API["paths"].items()
                 for method in item if method in METHODS}
    served = {(route["path"], method) for route in ROUTES for method in route["methods"].split(", ")}
    assert described == served


def test_operations_have_names_of_their_own():
    names = [operation["operationId"] for item in API["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names)) == 13


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere_and_nothing_is_left_over():
    reached = set(references(API))
    for reference in reached:
        node = API
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    for kind, things in API["components"].items():
        for name in things:
            assert f"#/components/{kind}/{name}" in reached


@pytest.mark.parametrize("name", API["components"]["schemas"])
def test_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(API["components"]["schemas"][name])


@pytest.mark.parametrize("name, document", DOCUMENTS,
                         ids=[f"{name}-{number}" for number, (name, _) in enumerate(DOCUMENTS)])
def test_documents_are_what_the_schemas_say(name, document):
    jsonschema.Draft202012Validator(schema(name)).validate(document)


def test_every_kind_of_document_was_tried():
    assert {name for name, _ in DOCUMENTS} == {"Answer", "Problem", "Results", "Models", "Health"}
    # oneOf in the answer of /classify: a document is of one kind only.
    for name, document in DOCUMENTS:
        if name in ("Answer", "Results"):
            assert not is_valid(document, "Results" if name == "Answer" else "Answer")


@pytest.mark.parametrize("name, document", DOCUMENTS[:8:4])
def test_schemas_can_refuse(name, document):
    for key in document:
        assert is_valid({k: v for k, v in document.items() if k != key}, name) == (key == "file")
    assert not is_valid({**document, "other": 1}, name)


def test_codes_are_those_of_the_problem_table():
    assert set(API["components"]["schemas"]["Code"]["enum"]) == SENT


def test_classify_has_a_response_for_every_status():
    wanted = {str(PROBLEMS[code]["status"]) for code in SENT} | {"200"}
    for operation in API["paths"]["/classify"].values():
        assert set(operation["responses"]) == wanted
        for status, response in operation["responses"].items():
            said = API["components"]["responses"][response["$ref"].rpartition("/")[2]]
            codes = {code for code in SENT if str(PROBLEMS[code]["status"]) == status}
            assert set(re.findall(r"\b[a-z]+(?:_[a-z]+)*\b", said["description"].rpartition(":")[2])) >= codes
            retry = any(PROBLEMS[code]["retry_after"] for code in codes)
            assert ("Retry-After" in said.get("headers", {})) == retry


LONG = "A" * 9000
BODIES = [
    {"url": "http://a/"}, {"urls": ["http://a/", "b"]}, {"image": "R0lG"}, {"images": ["R0lG", LONG]},
    {"url": "a", "top_k": 1, "min_probability": 0.5, "model": "demo"},
    {"url": "a", "min_probability": 1}, {"url": "a", "min_probability": 0}, {"urls": ["a"], "image": "R0lG"},
    {}, {"top_k": 1}, {"uri": "a"}, {"url": 1}, {"url": ""}, {"url": None}, {"urls": "a"}, {"urls": [1]},
    {"urls": [""]}, {"urls": []}, {"images": []}, {"url": LONG}, {"image": 1}, {"image": ["R0lG"]}, {"images": "R0lG"}, {"images": [None]},
    {"url": "a", "top_k": 0}, {"url": "a", "top_k": -1}, {"url": "a", "top_k": "1"}, {"url": "a", "top_k": 1.5},
    {"url": "a", "min_probability": 1.5}, {"url": "a", "min_probability": -0.1},
    {"url": "a", "min_probability": "0"}, {"url": "a", "model": ""}, {"url": "a", "model": 1},
    {"url": "a", "model": "m" * 129}, {"url": "a", "other": 1}, [], "url", 1, None,
]


def test_the_parser_takes_what_the_schema_takes():
    said = print_api("parse", stdin="".join(json.dumps(body) + "\n" for body in BODIES))
    taken = {json.dumps(body)[:60]: code == "ok" for body, code in zip(BODIES, said, strict=True)}
    assert taken == {json.dumps(body)[:60]: is_valid(body, "Request") for body in BODIES}
    assert sum(taken.values()) == 8


def table_rows(heading):
    """The cells of the table under a heading of API.md."""
    section = GUIDE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_guide_lists_every_problem_once():
    rows = [(re.fullmatch(r"`(\w+)`", cells[1])[1], int(cells[0])) for cells in table_rows("Problems")]
    assert sorted(rows) == sorted((code, PROBLEMS[code]["status"]) for code in SENT)
    assert all(cells[2] for cells in table_rows("Problems"))


def test_the_guide_lists_every_route():
    listed = {(re.fullmatch(r"`(\S+)`", cells[1])[1], cells[0]) for cells in table_rows("Routes")}
    assert listed == {(route["path"], route["methods"]) for route in ROUTES}


def test_the_guide_is_short():
    assert GUIDE.count("\n") <= 200


def documents_of_the_guide():
    for block in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL):
        yield json.loads(block)


def test_the_guides_documents_are_what_the_schemas_say():
    names = []
    for document in documents_of_the_guide():
        kind = ("Results" if "results" in document else "Problem" if "type" in document else
                "Models" if "default" in json.dumps(document) else "Health" if "uptime_s" in document else "Answer")
        jsonschema.Draft202012Validator(schema(kind)).validate(document)
        names.append(kind)
    assert names == ["Answer", "Results", "Problem", "Models", "Health"]
