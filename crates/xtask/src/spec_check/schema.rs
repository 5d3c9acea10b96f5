//! JSON Schemas: each of them is one, every example in a chapter satisfies the one that it names, and each vector about them
//! is judged as it says.

use boon::{Compiler, Schemas};
use serde_json::Value;

use super::Spec;
use crate::tidy::source::{Finding, Source};

const VECTORS: &str = "protocol-spec/vectors/message.json";
const FOLDER: &str = "protocol-spec/schema/";
/// Where the schemas call themselves to be.
const BASE: &str = "https://bayeux.invalid/schema/";

/// Refuses schemas that are none, and examples that don't satisfy theirs.
pub(super) fn check(sources: &[Source], spec: &Spec) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut compiler = Compiler::new();
    let mut known = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with(FOLDER) && source.path.ends_with(".json")) {
        let name = source.path.trim_start_matches(FOLDER);
        let added = serde_json::from_str::<Value>(&source.text).map_err(|error| (error.line(), error.to_string()));
        let added = added.and_then(|schema| {
            let id = schema.get("$id").and_then(Value::as_str).unwrap_or_default();
            if id != format!("{BASE}{name}") {
                return Err((1, format!("its $id is not {BASE}{name}")));
            }
            compiler.add_resource(&format!("{BASE}{name}"), schema).map_err(|error| (1, error.to_string()))
        });
        match added {
            Ok(()) => known.push((source, name)),
            Err((line, what)) => findings.push(source.finding(line, what)),
        }
    }
    let mut schemas = Schemas::new();
    for (source, name) in &known {
        if let Err(error) = compiler.compile(&format!("{BASE}{name}"), &mut schemas) {
            findings.push(source.finding(None, format!("is no schema: {error}")));
        }
    }
    if findings.is_empty() {
        findings.extend(examples(sources, spec, &mut compiler, &mut schemas));
        let vectors = sources.iter().find(|source| source.path == VECTORS);
        findings.extend(vectors.into_iter().flat_map(|source| judge(source, &mut compiler, &mut schemas)));
    }
    findings
}

/// Runs the vectors. That they have the form of vectors is checked elsewhere.
fn judge(source: &Source, compiler: &mut Compiler, schemas: &mut Schemas) -> Vec<Finding> {
    let file: Value = serde_json::from_str(&source.text).unwrap_or_default();
    let mut findings = Vec::new();
    for vector in file["vectors"].as_array().into_iter().flatten() {
        let mut refuse = |what: &str| findings.push(source.finding(None, format!("{} {what}", vector["id"])));
        let (Some(place), Some(valid)) = (vector["schema"].as_str(), vector["valid"].as_bool()) else {
            refuse("says not which schema, or not whether it is valid");
            continue;
        };
        match compiler.compile(&format!("{BASE}{place}"), schemas) {
            Err(_) => refuse(&format!("is about schema/{place}, which is not there")),
            Ok(schema) => match (schemas.validate(&vector["value"], schema), valid) {
                (Ok(()), true) | (Err(_), false) => {}
                (Ok(()), false) => refuse(&format!("satisfies schema/{place}, and is not to")),
                (Err(error), true) => refuse(&format!("does not satisfy schema/{place}: {error}")),
            },
        }
    }
    findings
}

fn examples(sources: &[Source], spec: &Spec, compiler: &mut Compiler, schemas: &mut Schemas) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, chapter) in &spec.chapters {
        let Some(source) = sources.iter().find(|source| source.path == *path) else { continue };
        for example in &chapter.examples {
            let mut refuse = |what: String| findings.push(source.finding(example.line, what));
            let value: Value = match serde_json::from_str(&example.text) {
                Ok(value) => value,
                Err(error) => {
                    refuse(format!("a block of JSON that is none: {error}"));
                    continue;
                }
            };
            match compiler.compile(&format!("{BASE}{}.json", example.schema), schemas) {
                Err(_) => refuse(format!("there is no schema/{}.json", example.schema)),
                Ok(schema) => {
                    if let Err(error) = schemas.validate(&value, schema) {
                        refuse(format!("the example does not satisfy schema/{}.json: {error}", example.schema));
                    }
                }
            }
        }
    }
    findings
}
