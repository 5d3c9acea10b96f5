//! Reads the members of an object in a case file, and finds those that nobody reads: a misspelt option must not be silent.

use crate::json::Json;
use std::cell::RefCell;

pub(super) struct Fields<'a> {
    what: &'a str,
    members: &'a [(String, Json)],
    read: RefCell<Vec<&'a str>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(what: &'a str, value: &'a Json) -> Result<Self, String> {
        let members = value.as_object().ok_or_else(|| format!("{what} should be an object, but is {value}"))?;
        Ok(Self { what, members, read: RefCell::default() })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Json> {
        let (key, value) = self.members.iter().find(|(key, _)| key == name)?;
        self.read.borrow_mut().push(key);
        Some(value)
    }

    pub(super) fn need(&self, name: &str) -> Result<&'a Json, String> {
        self.get(name).ok_or_else(|| format!("{} has no {name:?}", self.what))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(format!("{name:?} of {} should be a string, but is {other}", self.what)),
        }
    }

    pub(super) fn need_text(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("{} has no {name:?}", self.what))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(false),
            Some(Json::Bool(value)) => Ok(*value),
            Some(other) => Err(format!("{name:?} of {} should be true or false, but is {other}", self.what)),
        }
    }

    /// A list of strings; a single string is a list of one.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let wrong = |found: &Json| format!("{name:?} of {} should be a list of strings, but is {found}", self.what);
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Json::String(text)) => Ok(vec![text.clone()]),
            Some(list @ Json::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(list))).collect()
            }
            Some(other) => Err(wrong(other)),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<&'a [Json], String> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Json::Array(items)) => Ok(items),
            Some(other) => Err(format!("{name:?} of {} should be a list, but is {other}", self.what)),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Number(text)) if text.parse::<u64>().is_ok() => Ok(text.parse().ok()),
            Some(other) => Err(format!("{name:?} of {} should be a whole number, but is {other}", self.what)),
        }
    }

    /// Fails if a member was not read.
    pub(super) fn end(self) -> Result<(), String> {
        let read = self.read.borrow();
        match self.members.iter().find(|(key, _)| !read.contains(&key.as_str())) {
            Some((key, _)) => Err(format!("{} has a member {key:?} that means nothing there", self.what)),
            None => Ok(()),
        }
    }
}
