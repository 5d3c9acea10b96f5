//! `Message`: every Bayeux message, in both directions, with every field of the published protocol.

use std::io::Write;

use crate::{
    Advice, ConnectionType, Json, MessageId, Subscription,
    codec::encode::{write_json_string, write_json_strings},
};

/// A message as it travels. Which fields it has depends on its channel and direction; what a peer sent in a field of the
/// wrong type is not here, but named in `fault` (BX-MSG-6). `connectionId` and `json-comment-filtered` are no fields of it
/// (BX-FLD-14, BX-FLD-15).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// `channel`, as it came (BX-MSG-1).
    pub channel: Option<Box<str>>,
    /// `id` (BX-FLD-5 to 7).
    pub id: Option<MessageId>,
    /// `clientId` (BX-FLD-2).
    pub client_id: Option<Box<str>>,
    /// `version` (BX-FLD-1).
    pub version: Option<Box<str>>,
    /// `minimumVersion` (BX-HS-13).
    pub minimum_version: Option<Box<str>>,
    /// `supportedConnectionTypes` (BX-HS-7).
    pub supported_connection_types: Option<Vec<ConnectionType>>,
    /// `connectionType` (BX-CN-9).
    pub connection_type: Option<ConnectionType>,
    /// `subscription` (BX-FLD-11).
    pub subscription: Option<Subscription>,
    /// `advice` (BX-ADV-1).
    pub advice: Option<Box<Advice>>,
    /// `successful` (BX-FLD-10).
    pub successful: Option<bool>,
    /// `authSuccessful`
    pub auth_successful: Option<bool>,
    /// `error` (BX-FLD-12).
    pub error: Option<Box<str>>,
    /// `timestamp` (BX-FLD-8).
    pub timestamp: Option<Box<str>>,
    /// `ext` (BX-FLD-13): always an object.
    pub ext: Option<Json>,
    /// `data` (BX-FLD-9).
    pub data: Option<Json>,
    /// The first field of the wrong type, when decoded. Never encoded.
    pub fault: Option<FieldFault>,
}

/// A field that is not of the type it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field's name.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

impl Message {
    /// Appends the message as one JSON object, `channel` first; absent fields are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object { out, empty: true };
        object.text("channel", self.channel.as_deref());
        object.id(self.id.as_ref());
        object.flag("successful", self.successful);
        object.text("clientId", self.client_id.as_deref());
        object.text("version", self.version.as_deref());
        object.text("minimumVersion", self.minimum_version.as_deref());
        if let Some(types) = &self.supported_connection_types {
            let names = types.iter().map(ConnectionType::as_str);
            object.value("supportedConnectionTypes", |out| write_json_strings(names, out));
        }
        object.text("connectionType", self.connection_type.as_ref().map(ConnectionType::as_str));
        match &self.subscription {
            Some(Subscription::One(text)) => object.text("subscription", Some(text)),
            Some(Subscription::Other(json)) => object.raw("subscription", json.as_bytes()),
            Some(many) => object.value("subscription", |out| write_json_strings(many.iter(), out)),
            None => {}
        }
        object.text("error", self.error.as_deref());
        object.flag("authSuccessful", self.auth_successful);
        object.text("timestamp", self.timestamp.as_deref());
        if let Some(advice) = &self.advice {
            object.value("advice", |out| advice.encode(out));
        }
        if let Some(ext) = &self.ext {
            object.raw("ext", ext.as_bytes());
        }
        if let Some(data) = &self.data {
            object.raw("data", data.as_bytes());
        }
        object.end();
    }
}

/// A JSON object in the making.
pub(crate) struct Object<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) empty: bool,
}

impl Object<'_> {
    pub(crate) fn id(&mut self, id: Option<&MessageId>) {
        match id {
            Some(MessageId::Text(text)) => self.text("id", Some(text)),
            Some(MessageId::Number(text)) => self.raw("id", text.as_bytes()),
            None => {}
        }
    }

    pub(crate) fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.value(name, |out| write_json_string(value, out));
        }
    }

    pub(crate) fn flag(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.raw(name, if value { b"true" } else { b"false" });
        }
    }

    pub(crate) fn number(&mut self, name: &str, value: Option<i64>) {
        if let Some(value) = value {
            // A Vec never fails to be written to.
            self.value(name, |out| drop(write!(out, "{value}")));
        }
    }

    pub(crate) fn raw(&mut self, name: &str, value: &[u8]) {
        self.value(name, |out| out.extend_from_slice(value));
    }

    pub(crate) fn value(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(if self.empty { b'{' } else { b',' });
        self.empty = false;
        write_json_string(name, self.out);
        self.out.push(b':');
        write(self.out);
    }

    pub(crate) fn end(self) {
        if self.empty {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}
