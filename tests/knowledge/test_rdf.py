"""RDF says the same as CMeKG records do; what is no text, no entity or in another language is a counted drop."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from huatuo import store
from huatuo.errors import InputError
from huatuo.recipe import GraphSource, IngestSettings
from huatuo.records import Dropped, Entity, Fact

Run = Callable[..., Path]
PREFIXES = """@prefix : <http://a.example/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
"""


def source(path: Path, **more: Any) -> IngestSettings:
    return IngestSettings(graphs=(GraphSource.model_validate({"name": "g", "path": path, "format": "rdf", **more}),))


def facts(folder: Path) -> set[tuple[str, str, str, str]]:
    return {(f.kind, f.entity, f.relation, f.value) for f in store.read(folder, "facts", Fact)}


def dropped(folder: Path) -> Counter[str]:
    return Counter(d.rule for d in store.read(folder, "dropped", Dropped))


def statement(i: int) -> str:
    return (
        f':d{i} a :Disease ; rdfs:label "病{i}"@zh, "disease {i}"@en ; skos:altLabel "又{i}"@zh ;'
        f' :hasSymptom :s{i} ; :病因 "因{i}" .\n:s{i} a :Symptom ; skos:prefLabel "症{i}"@zh .\n'
    )


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_turtle_with_labels_types_and_other_names(run: Run, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.ttl"
    path.write_bytes((PREFIXES + "".join(statement(i) for i in range(1000))).encode(encoding))
    folder = run(source(path))
    assert facts(folder) == {("disease", f"病{i}", "临床症状", f"症{i}") for i in range(1000)} | {
        ("disease", f"病{i}", "病因", f"因{i}") for i in range(1000)
    }
    entities = {e.name: e for e in store.read(folder, "entities", Entity)}
    assert set(entities["病7"].aliases) == {"disease 7", "又7"}
    assert Counter(e.kind for e in entities.values()) == {"disease": 1000, "symptom": 1000}
    assert not dropped(folder)


def test_what_is_no_value_is_dropped_by_rule(run: Run, tmp_path: Path) -> None:
    text = (
        PREFIXES
        + """
:a a :药 ; rdfs:label "甲"@zh ; :dose 5 ; :note "only English"@en ; :cause [ rdfs:label "x" ] ; :cause :unnamed ;
   :secret "x" ; <http://a.example/规格> "0.5g"@zh .
:nameless :cause "x" . :dose a owl:DatatypeProperty ; rdfs:label "剂量"@zh .
<http://a.example/乙> :cause "中文IRI" .
"""
    )
    (tmp_path / "a.ttl").write_text(text, "utf-8")
    folder = run(source(tmp_path / "a.ttl", kinds={"药": "drug"}, relations={"secret": ""}))
    assert facts(folder) == {("drug", "甲", "规格", "0.5g"), ("entity", "乙", "病因", "中文IRI")}
    assert dropped(folder) == {
        "not_text": 1, "other_language": 1, "blank_node": 2, "no_label": 1, "left_out": 1, "no_name": 1, "schema": 1,
    }  # fmt: skip
    assert any("剂量 of 甲" in d.reason for d in store.read(folder, "dropped", Dropped))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.nt", '<http://a/a> <http://www.w3.org/2000/01/rdf-schema#label> "甲" .\n<http://a/a> <http://a/病因> "乙" .\n'),
        ("a.nq", '<http://a/a> <http://schema.org/name> "甲" <http://g> .\n<http://a/a> <http://a/cause> "乙"@zh-CN <http://g> .\n'),
        ("a.jsonld", json.dumps({"@context": {"name": "http://schema.org/name", "cause": "http://a/cause"}, "@id": "http://a/a", "name": "甲", "cause": "乙"})),
        ("a.rdf", '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:a="http://a/" xmlns:s="http://schema.org/"><rdf:Description rdf:about="http://a/a"><s:name>甲</s:name><a:cause>乙</a:cause></rdf:Description></rdf:RDF>'),
    ],
)  # fmt: skip
def test_every_syntax(run: Run, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    assert facts(run(source(tmp_path / name, kind="disease"))) == {("disease", "甲", "病因", "乙")}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.ttl", PREFIXES + ':a :b "x" .\n:a :b \n', r"a\.ttl:\d+: not valid TURTLE: .*next:"),
        ("a.nt", '<http://a> <http://b> "c" .\nkein Satz .\n', r"a\.nt:2: not valid N-TRIPLES"),
        ("a.jsonld", '{"@context": "https://schema.org/", "name": "x"}', r"a\.jsonld.*not valid JSON-LD.*context"),
        ("a.jsonld", '{"@id": ', r"a\.jsonld.*not valid JSON-LD"),
        ("a.n3x", "x", "no RDF reader for .n3x"),
        ("a.ttl", "", "is empty"),
    ],
)
def test_a_syntax_error_names_the_line(run: Run, tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InputError, match=says):
        run(source(tmp_path / name))
