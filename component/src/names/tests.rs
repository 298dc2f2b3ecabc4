//! Manifest, types, class and README say the same names as `names.rs`.

use std::collections::BTreeSet;

use crate::names;
use serde_json::Value;

const MANIFEST: &str = include_str!("../../custom-elements.json");
const TYPES: &str = include_str!("../../types/soft-phone.d.ts");
const SHIM: &str = include_str!("../../js/element.js");
const README: &str = include_str!("../../README.md");
const STYLE: &str = include_str!("../view/style.css");

fn declaration() -> Value {
    let manifest: Value = serde_json::from_str(MANIFEST).unwrap();
    manifest["modules"][0]["declarations"][0].clone()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn listed(declaration: &Value, list: &str) -> BTreeSet<String> {
    set(declaration[list].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()))
}

fn members(declaration: &Value, kind: &str) -> BTreeSet<String> {
    let members = declaration["members"].as_array().unwrap();
    set(members.iter().filter(|member| member["kind"] == kind).map(|member| member["name"].as_str().unwrap()))
}

/// The names that a block of the types declares, one a line.
fn declared(start: &str) -> BTreeSet<String> {
    let block = TYPES.split_once(start).unwrap().1.split_once("\n}").unwrap().0;
    let names = block.lines().filter_map(|line| {
        let line = line.strip_prefix("  ")?.trim_start_matches("readonly ").trim_start_matches("get ");
        let line = line.trim_start_matches("set ").trim_start_matches('"');
        let end = line.find(['(', ':', '"', '?'])?;
        (!line.starts_with("/*") && !line.starts_with('*')).then(|| &line[..end])
    });
    set(names)
}

fn fields() -> BTreeSet<String> {
    set(names::ATTRIBUTES.iter().map(|attribute| attribute.property).chain(names::PROPERTIES.iter().copied()))
}

#[test]
fn the_manifest_lists_what_there_is() {
    let declaration = declaration();
    assert_eq!(listed(&declaration, "attributes"), set(names::ATTRIBUTES.iter().map(|attribute| attribute.name)));
    assert_eq!(listed(&declaration, "events"), set(names::EVENTS.iter().copied()));
    assert_eq!(listed(&declaration, "cssParts"), set(names::PARTS.iter().copied()));
    assert_eq!(listed(&declaration, "cssProperties"), set(names::CSS_PROPERTIES.iter().copied()));
    assert_eq!(members(&declaration, "field"), fields());
    assert_eq!(members(&declaration, "method"), set(names::METHODS.iter().copied()));
}

#[test]
fn each_attribute_has_its_property() {
    for attribute in declaration()["attributes"].as_array().unwrap() {
        let known = names::ATTRIBUTES.iter().find(|known| attribute["name"] == known.name).unwrap();
        assert_eq!(attribute["fieldName"], known.property);
        if let names::Kind::Choice(words) = known.kind {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            assert_eq!(attribute["type"]["text"], words.join(" | "));
            assert_eq!(attribute["default"], *words.first().unwrap());
        }
    }
}

#[test]
fn the_types_declare_what_there_is() {
    let mut element = fields();
    element.extend(set(names::METHODS.iter().copied()));
    assert_eq!(declared("export class SoftPhone extends HTMLElement {"), element);
    let call = set(names::CALL_PROPERTIES.iter().chain(names::CALL_METHODS).copied());
    assert_eq!(declared("export interface SoftPhoneCall {"), call);
    assert_eq!(declared("export interface SoftPhoneEventMap {"), set(names::EVENTS.iter().copied()));
}

#[test]
fn the_class_has_every_property_and_method() {
    for property in names::PROPERTIES {
        assert!(SHIM.contains(&format!("  get {property}()")), "{property}");
    }
    for method in names::METHODS {
        assert!(SHIM.contains(&format!("\n  {method}(")), "{method}");
    }
}

#[test]
fn the_readme_tells_of_everything() {
    let attributes = names::ATTRIBUTES.iter().map(|attribute| attribute.name);
    let lists = [names::PROPERTIES, names::METHODS, names::EVENTS, names::PARTS, names::CALL_METHODS];
    for name in attributes.chain(lists.into_iter().flatten().copied()) {
        assert!(README.contains(&format!("`{name}")), "{name}");
    }
}

#[test]
fn the_style_sheet_knows_every_variable() {
    for property in names::CSS_PROPERTIES {
        assert!(STYLE.contains(property), "{property}");
    }
}
