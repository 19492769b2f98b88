//! `evenkeel config schema`: the file as a JSON Schema, for editors and for what makes configurations. It is made from
//! the table of keys, so it knows what `check` knows of keys and single values, and nothing of what goes together.

use serde_json::{Map, Value, json};

use super::keys::{self, Default, Key, Section, Type};
use super::tree;

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let defs: Map<String, Value> = keys::SECTIONS
        .iter()
        .filter(|s| !s.path.is_empty())
        .map(|s| (s.path.to_owned(), section(s)))
        .collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "evenkeel.toml",
        "$defs": defs,
    });
    if let (Some(all), Value::Object(top)) = (schema.as_object_mut(), section(&keys::TOP)) {
        all.extend(top);
    }
    schema
}

fn section(section: &Section) -> Value {
    let properties: Map<String, Value> = section.keys.iter().map(|k| (k.name.to_owned(), key(k))).collect();
    let required: Vec<&str> =
        section.keys.iter().filter(|k| k.default == Default::Required).map(|k| k.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": section.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty()
        && let Some(schema) = schema.as_object_mut()
    {
        schema.insert("required".into(), json!(required));
    }
    schema
}

fn key(key: &Key) -> Value {
    let value = ty(&key.ty);
    let mut schema = match (key.per_node, value) {
        (true, value) => Map::from_iter([("anyOf".to_owned(), json!([value, by_name(&value)]))]),
        (false, Value::Object(value)) => value,
        (false, _) => Map::new(),
    };
    let mut doc = key.doc.to_owned();
    if let Type::Text(_) | Type::Forms(..) | Type::Duration { .. } | Type::Size { .. } = key.ty {
        doc.push_str(&format!(" Value: {}.", key.ty));
    }
    if let Default::Words(words) = key.default {
        doc.push_str(&format!(" Default: {words}."));
    }
    if key.per_node {
        doc.push_str(" May be a table from node names to values.");
    }
    schema.insert("description".into(), doc.into());
    if let Some(value) = tree::default_of(key) {
        schema.insert("default".into(), value.to_json());
    }
    Value::Object(schema)
}

fn ty(ty: &Type) -> Value {
    match ty {
        Type::Bool => json!({ "type": "boolean" }),
        Type::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Type::Duration { .. } => json!({ "type": "string", "pattern": "^[0-9]+ *(us|ms|s|m|h|d)$" }),
        Type::Size { .. } => json!({ "type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)$" }),
        Type::Word(words) => json!({ "enum": words }),
        Type::Secret => json!({ "type": "string" }),
        Type::Passwords => by_name(&json!({ "type": "string" })),
        Type::Table(section) => reference(section),
        Type::Named(section) => by_name(&reference(section)),
        // One alone needs no array.
        Type::Tables(section) => one_or_many(reference(section)),
        Type::Text(words) => forms(words, None, true),
        Type::Forms(words, section) => forms(words, *section, false),
    }
}

fn reference(section: &Section) -> Value {
    json!({ "$ref": format!("#/$defs/{}", section.path) })
}

fn by_name(value: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": value })
}

fn one_or_many(value: Value) -> Value {
    let many = json!({ "type": "array", "items": value });
    json!({ "anyOf": [value, many] })
}

/// What the words say that a value may be. `is_text`: a text it may be in any case.
fn forms(words: &str, section: Option<&Section>, is_text: bool) -> Value {
    let says =
        |one_of: &[&str]| words.split(|c: char| !c.is_alphanumeric()).any(|word| one_of.contains(&word));
    if words.starts_with("a table from") {
        let table = section.map_or_else(|| json!({ "type": "object" }), reference);
        return by_name(&json!({ "anyOf": [{ "type": ["string", "integer", "array"] }, table] }));
    }
    let mut one = Vec::new();
    if is_text || words.contains('"') || says(&TEXTS) {
        one.push(json!({ "type": "string" }));
    }
    if says(&NUMBERS) {
        one.push(json!({ "type": "integer" }));
    }
    if says(&["matcher", "matchers"]) {
        one.push(reference(&keys::MATCHER));
    }
    one.extend(section.map(reference));
    let mut any = one.clone();
    if says(&["array"]) {
        any.push(json!({ "type": "array", "items": { "anyOf": one } }));
    }
    any.extend([true, false].iter().filter(|on| says(&[&on.to_string()])).map(|on| json!({ "const": on })));
    match any.as_slice() {
        [only] => only.clone(),
        _ => json!({ "anyOf": any }),
    }
}

/// Words that say of a value that it may be a text.
const TEXTS: [&str; 7] = ["text", "name", "names", "address", "addresses", "statuses", "ports"];
/// Words that say of a value that it may be a number.
const NUMBERS: [&str; 4] = ["number", "status", "port", "codes"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_defined_once_and_every_reference_leads_to_one() {
        let schema = schema();
        let defs = schema["$defs"].as_object().unwrap();
        assert_eq!(defs.len() + 1, keys::SECTIONS.len());
        let text = schema.to_string();
        for (at, reference) in text.match_indices("#/$defs/") {
            let name = text[at + reference.len()..].split('"').next().unwrap();
            assert!(defs.contains_key(name), "{name}");
        }
    }

    #[test]
    fn types_ranges_and_defaults_are_said() {
        let schema = schema();
        let of = |section: &str, key: &str| schema["$defs"][section]["properties"][key].clone();
        let mut maxconn = of("global", "maxconn");
        maxconn.as_object_mut().unwrap().remove("description");
        assert_eq!(
            maxconn,
            json!({ "type": "integer", "minimum": 1, "maximum": 10_000_000, "default": 10_000 })
        );
        assert_eq!(of("vrrp.NAME", "priority")["anyOf"][1]["additionalProperties"]["maximum"], 255);
        assert_eq!(of("backend.NAME", "retry_on")["default"], json!(["conn-failure"]));
        assert_eq!(schema["$defs"]["backend.NAME.server"]["required"], json!(["name", "addr"]));
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
