//! What a reply should look like: JSON that stands for itself, and objects with a `$` member that stand for more.
//!
//! | pattern | matches |
//! | --- | --- |
//! | a literal | the same value; an object may have more members than are named |
//! | `{"$type": "string"}` | any value of this type, or of one in a list |
//! | `{"$absent": true}` | a member that is not there |
//! | `{"$re": "^[a-z]+$"}` | a string in which the expression is found |
//! | `{"$range": [0, 100]}` | a number from the one to the other |
//! | `{"$length": [1, 100]}` | a string of so many characters, or an array of so many elements |
//! | `{"$any": [p, q]}` | what one of them matches |
//! | `{"$all": [p, q]}` | what each of them matches |
//! | `{"$not": p}` | what p does not match, absence included |
//! | `{"$has": p}` | an array with an element that p matches |
//! | `{"$each": p}` | an array all of whose elements p matches |
//! | `{"$keys": ["a", "b"]}` | an object with no other members than these |
//! | `{"$is": v}` | exactly this value, members included |
//! | `{"$bind": "name"}` | anything, which `${name}` stands for from then on; with `"to": p`, what p matches |

use crate::json::Json;
use regex_lite::Regex;
use std::collections::BTreeMap;

/// Values that `${name}` stands for.
pub type Variables = BTreeMap<String, Json>;

/// Where a value did not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at} should be {wanted}, but is {found}")]
pub struct Mismatch {
    /// The place within the value.
    pub at: String,
    /// What was wanted.
    pub wanted: String,
    /// What was there.
    pub found: String,
}

/// Whether a value fits; what it binds is left in `variables`.
pub fn fits(pattern: &Json, value: Option<&Json>, variables: &mut Variables) -> Result<(), Mismatch> {
    check("it", pattern, value, variables)
}

/// Whether the `$` members of a pattern are known ones, for the reading of cases.
pub fn validate(pattern: &Json) -> Result<(), String> {
    const KNOWN: [&str; 13] = [
        "$type", "$absent", "$re", "$range", "$length", "$any", "$all", "$not", "$has", "$each", "$keys", "$is",
        "$bind",
    ];
    match pattern {
        Json::Array(items) => items.iter().try_for_each(validate),
        Json::Object(members) => members.iter().try_for_each(|(name, value)| {
            if name.starts_with('$') && !KNOWN.contains(&name.as_str()) {
                return Err(format!("unknown pattern {name}"));
            }
            if name == "$re" {
                Regex::new(value.as_str().unwrap_or("(")).map_err(|error| format!("{value}: {error}"))?;
            }
            if name == "$is" { Ok(()) } else { validate(value) }
        }),
        _ => Ok(()),
    }
}

/// Puts the values of variables in the place of `${name}`. A string that is nothing else becomes the value itself;
/// `{"$repeat": [text, n]}` becomes the text so many times.
pub fn fill(template: &Json, variables: &Variables) -> Result<Json, String> {
    Ok(match template {
        Json::String(text) => fill_text(text, variables)?,
        Json::Array(items) => Json::Array(items.iter().map(|item| fill(item, variables)).collect::<Result<_, _>>()?),
        Json::Object(members) if members.first().is_some_and(|(name, _)| name == "$repeat") => repeat(&members[0].1)?,
        Json::Object(members) => Json::Object(
            members
                .iter()
                .map(|(name, value)| {
                    let Json::String(name) = fill_text(name, variables)? else {
                        return Err(format!("{name} is the name of a member and no string"));
                    };
                    Ok((name, fill(value, variables)?))
                })
                .collect::<Result<_, _>>()?,
        ),
        other => other.clone(),
    })
}

/// `["ab", 3]` is `ababab`: for what would be too long to write.
fn repeat(argument: &Json) -> Result<Json, String> {
    match argument.as_array() {
        Some([Json::String(text), Json::Number(times)]) if times.parse::<usize>().is_ok() => {
            Ok(Json::String(text.repeat(times.parse().unwrap_or_default())))
        }
        _ => Err(format!("$repeat wants a text and a number, not {argument}")),
    }
}

fn fill_text(text: &str, variables: &Variables) -> Result<Json, String> {
    let lookup = |name: &str| variables.get(name).ok_or_else(|| format!("nothing is known as ${{{name}}}"));
    if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
        && !name.contains('}')
    {
        return lookup(name).cloned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or_else(|| format!("{text:?}: a ${{ that does not end"))?;
        out.push_str(before);
        match lookup(name)? {
            Json::String(value) => out.push_str(value),
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(Json::String(out))
}

fn check(at: &str, pattern: &Json, value: Option<&Json>, variables: &mut Variables) -> Result<(), Mismatch> {
    match pattern {
        Json::Object(members) if members.iter().any(|(name, _)| name.starts_with('$')) => {
            members.iter().filter(|(name, _)| name != "to").try_for_each(|(name, argument)| {
                if name == "$bind" {
                    return bind(at, argument, pattern.get("to"), value, variables);
                }
                operator(at, name, argument, value, variables)
            })
        }
        Json::Object(members) => {
            let Some(found @ Json::Object(_)) = value else { return Err(mismatch(at, "an object", value)) };
            members
                .iter()
                .try_for_each(|(name, pattern)| check(&format!("{at}.{name}"), pattern, found.get(name), variables))
        }
        Json::Array(patterns) => {
            let Some(Json::Array(items)) = value else { return Err(mismatch(at, "an array", value)) };
            if items.len() != patterns.len() {
                return Err(mismatch(at, format!("an array of {}", patterns.len()), value));
            }
            patterns.iter().zip(items).enumerate().try_for_each(|(index, (pattern, item))| {
                check(&format!("{at}[{index}]"), pattern, Some(item), variables)
            })
        }
        literal => match value {
            Some(found) if found.same(literal) => Ok(()),
            _ => Err(mismatch(at, literal, value)),
        },
    }
}

fn bind(
    at: &str,
    name: &Json,
    to: Option<&Json>,
    value: Option<&Json>,
    variables: &mut Variables,
) -> Result<(), Mismatch> {
    let (Some(name), Some(found)) = (name.as_str(), value) else { return Err(mismatch(at, "there", value)) };
    if let Some(pattern) = to {
        check(at, pattern, value, variables)?;
    }
    variables.insert(name.to_owned(), found.clone());
    Ok(())
}

fn operator(
    at: &str,
    name: &str,
    argument: &Json,
    value: Option<&Json>,
    variables: &mut Variables,
) -> Result<(), Mismatch> {
    let wanted = |fine: bool, wanted: String| if fine { Ok(()) } else { Err(mismatch(at, wanted, value)) };
    let list = argument.as_array().unwrap_or_else(|| std::slice::from_ref(argument));
    match name {
        "$absent" => wanted(value.is_none(), "absent".into()),
        "$type" => {
            let found = value.map(Json::type_name);
            wanted(list.iter().any(|kind| kind.as_str() == found && found.is_some()), format!("of type {argument}"))
        }
        "$re" => {
            let expression = argument.as_str().and_then(|text| Regex::new(text).ok());
            let text = value.and_then(Json::as_str);
            let fine = expression.zip(text).is_some_and(|(expression, text)| expression.is_match(text));
            wanted(fine, format!("a string like {argument}"))
        }
        "$range" => wanted(is_within(value.and_then(Json::as_f64), list), format!("a number in {argument}")),
        "$length" => {
            let length = match value {
                Some(Json::String(text)) => Some(text.chars().count()),
                Some(Json::Array(items)) => Some(items.len()),
                _ => None,
            };
            wanted(is_within(length.map(|length| length as f64), list), format!("of a length in {argument}"))
        }
        "$any" => {
            let fine = list.iter().any(|pattern| check(at, pattern, value, variables).is_ok());
            wanted(fine, format!("one of {argument}"))
        }
        "$all" => list.iter().try_for_each(|pattern| check(at, pattern, value, variables)),
        "$not" => {
            wanted(check(at, argument, value, &mut variables.clone()).is_err(), format!("anything but {argument}"))
        }
        "$is" => wanted(value.is_some_and(|found| found.same(argument)), format!("exactly {argument}")),
        "$has" => {
            let items = value.and_then(Json::as_array).unwrap_or_default();
            let fine = items.iter().any(|item| check(at, argument, Some(item), variables).is_ok());
            wanted(fine, format!("an array with {argument}"))
        }
        "$each" => {
            let items = value.and_then(Json::as_array).ok_or_else(|| mismatch(at, "an array", value))?;
            items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| check(&format!("{at}[{index}]"), argument, Some(item), variables))
        }
        "$keys" => {
            let members = value.and_then(Json::as_object).unwrap_or_default();
            let known = |key: &str| list.iter().any(|allowed| allowed.as_str() == Some(key));
            wanted(
                value.is_some() && members.iter().all(|(key, _)| known(key)),
                format!("with no members but {argument}"),
            )
        }
        other => Err(mismatch(at, format!("matched by {other}, which is not known"), value)),
    }
}

fn is_within(number: Option<f64>, bounds: &[Json]) -> bool {
    let (low, high) = (bounds.first().and_then(Json::as_f64), bounds.get(1).and_then(Json::as_f64));
    number.is_some_and(|n| low.is_none_or(|low| n >= low) && high.is_none_or(|high| n <= high))
}

fn mismatch(at: &str, wanted: impl ToString, found: Option<&Json>) -> Mismatch {
    let mut found = found.map_or_else(|| "absent".to_owned(), Json::to_string);
    if found.len() > 300 {
        let end = (0..=300).rev().find(|end| found.is_char_boundary(*end)).unwrap_or(0);
        found.truncate(end);
        found.push('…');
    }
    Mismatch { at: at.to_owned(), wanted: wanted.to_string(), found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn json(text: &str) -> Json {
        parse(text.as_bytes()).expect(text).value
    }

    fn tries(pattern: &str, value: &str) -> Result<(), String> {
        let pattern = json(pattern);
        validate(&pattern).expect("a known pattern");
        fits(&pattern, Some(&json(value)), &mut Variables::new()).map_err(|mismatch| mismatch.to_string())
    }

    #[test]
    fn each_pattern_matches_and_refuses() {
        for (pattern, yes, no) in [
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, r#"{"a":2}"#),
            (r#"{"a":{"$absent":true}}"#, r#"{}"#, r#"{"a":null}"#),
            (r#"{"$type":["string","number"]}"#, r#"1"#, r#"true"#),
            (r#"{"$re":"^a+$"}"#, r#""aa""#, r#""ab""#),
            (r#"{"$range":[1,2]}"#, r#"1.5"#, r#"3"#),
            (r#"{"$range":[1,null]}"#, r#"100"#, r#"0"#),
            (r#"{"$length":[1,2]}"#, r#""éé""#, r#""abc""#),
            (r#"{"$length":[1,2]}"#, r#"[1]"#, r#"[]"#),
            (r#"{"$any":[1,2]}"#, r#"2"#, r#"3"#),
            (r#"{"$all":[{"a":1},{"b":2}]}"#, r#"{"a":1,"b":2}"#, r#"{"a":1}"#),
            (r#"{"a":{"$not":"x"}}"#, r#"{}"#, r#"{"a":"x"}"#),
            (r#"{"$has":{"a":1}}"#, r#"[{},{"a":1}]"#, r#"[{}]"#),
            (r#"{"$each":{"$type":"number"}}"#, r#"[1,2]"#, r#"[1,"2"]"#),
            (r#"{"$keys":["a"]}"#, r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            (r#"{"$is":{"a":1}}"#, r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            ("[1,2]", "[1,2]", "[1,2,3]"),
        ] {
            assert_eq!(tries(pattern, yes), Ok(()), "{pattern} {yes}");
            assert!(tries(pattern, no).is_err(), "{pattern} {no}");
        }
    }

    #[test]
    fn a_mismatch_says_where_and_what() {
        let found = tries(r#"{"advice":{"reconnect":"retry"}}"#, r#"{"advice":{"reconnect":"none"}}"#);
        assert_eq!(found, Err(r#"it.advice.reconnect should be "retry", but is "none""#.to_owned()));
    }

    #[test]
    fn what_is_bound_is_filled_in() {
        let mut variables = Variables::new();
        let pattern = json(r#"{"clientId":{"$bind":"id","to":{"$re":"^[a-z0-9]+$"}},"n":{"$bind":"n"}}"#);
        fits(&pattern, Some(&json(r#"{"clientId":"abc","n":7}"#)), &mut variables).expect("it fits");
        let filled = fill(&json(r#"{"a":"${id}/${n}","b":"${n}","${id}":1}"#), &variables).expect("all are known");
        assert_eq!(filled.to_string(), r#"{"a":"abc/7","b":7,"abc":1}"#);
        assert!(fill(&json(r#""${other}""#), &variables).is_err());
        let long = fill(&json(r#"{"a":{"$repeat":["xy",3]}}"#), &variables).expect("a text and a number");
        assert_eq!(long.to_string(), r#"{"a":"xyxyxy"}"#);
        assert!(fill(&json(r#"{"$repeat":["xy"]}"#), &variables).is_err());
    }

    #[test]
    fn unknown_patterns_are_found_when_cases_are_read() {
        assert!(validate(&json(r#"{"a":{"$tpye":"string"}}"#)).is_err());
        assert!(validate(&json(r#"{"a":{"$re":"("}}"#)).is_err());
    }
}
