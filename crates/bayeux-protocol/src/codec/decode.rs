//! Decoding a batch: one validating pass under limits, no JSON tree.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;

use super::scan::{Next, Scanner};
use crate::{
    Advice, ConnectionType, DecodeError, DecodeLimits, FieldFault, Json, Message, MessageId, Reconnect, Subscription,
    limits::{MAX_ADVICE_SECTIONS, MAX_FIELDS, MAX_ID_BYTES},
};

/// Reads a batch: an array of messages (BX-MSG-3) or one bare message (BX-MSG-4). An empty array is an empty batch.
///
/// The whole text is checked: UTF-8, JSON, depth, escapes, number range, duplicate fields of a message (BX-HRD-3), in unknown
/// fields too. `data` and `ext` come out compact, and otherwise as they were (BX-HRD-4). A field of the wrong type spoils its own message only (`fault`); `null` counts as
/// absent, except as `data`.
///
/// # Errors
/// The text is no batch, or over a limit: nothing of it may take effect (BX-HRD-1).
pub fn decode_batch(text: &[u8], limits: &DecodeLimits) -> Result<Vec<Message>, DecodeError> {
    if text.len() > limits.max_bytes {
        return Err(DecodeError::TooLarge { limit: limits.max_bytes });
    }
    // The array around the messages is not counted as depth.
    let mut scanner = Scanner::new(text, limits.max_depth + 1)?;
    let mut drafts = Drafts::default();
    match scanner.peek() {
        Some(b'[') => {
            scanner.enter()?;
            while scanner.more(b']', drafts.messages.is_empty())? {
                if drafts.messages.len() == limits.max_messages {
                    return Err(DecodeError::TooManyMessages { limit: limits.max_messages });
                }
                drafts.read(&mut scanner)?;
                if drafts.messages.len() == 1 {
                    drafts.reserve(&scanner, limits.max_messages);
                }
            }
        }
        Some(b'{') if limits.max_messages == 0 => return Err(DecodeError::TooManyMessages { limit: 0 }),
        Some(b'{') => {
            scanner = Scanner::new(text, limits.max_depth)?;
            scanner.peek();
            drafts.read(&mut scanner)?;
        }
        Some(_) => return Err(DecodeError::NotABatch { at: scanner.at() }),
        None => return Err(DecodeError::UnexpectedEnd { at: scanner.at() }),
    }
    scanner.end()?;
    Ok(drafts.finish(&Bytes::from(scanner.into_copied())))
}

/// Messages whose raw values are still places in the buffer of the batch. They are large: none is moved.
#[derive(Default)]
struct Drafts {
    messages: Vec<Message>,
    places: Vec<Places>,
}

/// Of one message.
#[derive(Default)]
struct Places {
    wrong_subscription: Option<Range<usize>>,
    ext: Option<Range<usize>>,
    data: Option<Range<usize>>,
}

impl Drafts {
    fn read(&mut self, scanner: &mut Scanner<'_>) -> Result<(), DecodeError> {
        self.messages.push(Message::default());
        if let Some(message) = self.messages.last_mut() {
            self.places.push(Places::read(scanner, message)?);
        }
        Ok(())
    }

    /// As many more as there will be if all are like the first.
    fn reserve(&mut self, scanner: &Scanner<'_>, max_messages: usize) {
        let more = (scanner.left() / scanner.at().max(1)).min(max_messages.saturating_sub(1));
        self.messages.reserve_exact(more);
        self.places.reserve_exact(more);
    }

    fn finish(mut self, copied: &Bytes) -> Vec<Message> {
        let json = |place: Range<usize>| Json::checked(copied.slice(place));
        for (message, Places { wrong_subscription, ext, data }) in self.messages.iter_mut().zip(self.places) {
            if let Some(wrong) = wrong_subscription {
                message.subscription.get_or_insert_with(|| Subscription::Other(json(wrong)));
            }
            message.ext = ext.map(json);
            message.data = data.map(json);
        }
        self.messages
    }
}

/// The fields this codec knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Channel,
    Id,
    ClientId,
    Version,
    MinimumVersion,
    SupportedConnectionTypes,
    ConnectionType,
    Subscription,
    Advice,
    Successful,
    AuthSuccessful,
    Error,
    Timestamp,
    Ext,
    Data,
}

impl Field {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "channel" => Self::Channel,
            "id" => Self::Id,
            "clientId" => Self::ClientId,
            "version" => Self::Version,
            "minimumVersion" => Self::MinimumVersion,
            "supportedConnectionTypes" => Self::SupportedConnectionTypes,
            "connectionType" => Self::ConnectionType,
            "subscription" => Self::Subscription,
            "advice" => Self::Advice,
            "successful" => Self::Successful,
            "authSuccessful" => Self::AuthSuccessful,
            "error" => Self::Error,
            "timestamp" => Self::Timestamp,
            "ext" => Self::Ext,
            "data" => Self::Data,
            _ => return None,
        })
    }
}

const fn fault(field: &'static str, expected: &'static str) -> FieldFault {
    FieldFault { field, expected }
}

impl Places {
    fn read(scanner: &mut Scanner<'_>, message: &mut Message) -> Result<Self, DecodeError> {
        if scanner.peek() != Some(b'{') {
            let at = scanner.at();
            return Err(match scanner.next_kind() {
                Ok(_) => DecodeError::NotAMessage { at },
                Err(error) => error,
            });
        }
        let mut places = Self::default();
        let mut known: u32 = 0;
        let mut unknown: Vec<Cow<'_, str>> = Vec::new();
        let mut fields = 0;
        scanner.enter()?;
        while scanner.more(b'}', fields == 0)? {
            scanner.peek();
            let at = scanner.at();
            fields += 1;
            if fields > MAX_FIELDS {
                return Err(DecodeError::TooManyFields { limit: MAX_FIELDS, at });
            }
            let name = scanner.key()?.decode();
            let field = Field::of(&name);
            let duplicate = match field {
                Some(field) => known & (1 << field as u32) != 0,
                None => unknown.contains(&name),
            };
            if duplicate {
                let field = name.chars().take(64).flat_map(char::escape_default).collect::<String>().into();
                return Err(DecodeError::DuplicateField { at, field });
            }
            match field {
                Some(field) => {
                    known |= 1 << field as u32;
                    places.field(scanner, field, message)?;
                }
                None => {
                    unknown.push(name);
                    scanner.skip()?;
                }
            }
        }
        Ok(places)
    }

    fn field(&mut self, scanner: &mut Scanner<'_>, field: Field, message: &mut Message) -> Result<(), DecodeError> {
        if scanner.next_kind()? == Next::Null && field != Field::Data {
            return scanner.skip();
        }
        let fault = match field {
            Field::Channel => store(&mut message.channel, text(scanner, "channel")?),
            Field::ClientId => store(&mut message.client_id, text(scanner, "clientId")?),
            Field::Version => store(&mut message.version, text(scanner, "version")?),
            Field::MinimumVersion => store(&mut message.minimum_version, text(scanner, "minimumVersion")?),
            Field::Error => store(&mut message.error, text(scanner, "error")?),
            Field::Timestamp => store(&mut message.timestamp, text(scanner, "timestamp")?),
            Field::Id => store(&mut message.id, id(scanner)?),
            Field::Successful => store(&mut message.successful, flag(scanner, "successful")?),
            Field::AuthSuccessful => store(&mut message.auth_successful, flag(scanner, "authSuccessful")?),
            Field::Subscription => {
                let at = scanner.at();
                let read = subscription(scanner)?;
                if read.is_err() {
                    scanner.rewind(at);
                    self.wrong_subscription = Some(scanner.copied_value()?);
                }
                store(&mut message.subscription, read)
            }
            Field::Advice => store(&mut message.advice, advice(scanner, true)?.map(Box::new)),
            Field::ConnectionType => store(&mut message.connection_type, connection_type(scanner)?),
            Field::SupportedConnectionTypes => {
                let names = texts(scanner, fault("supportedConnectionTypes", "an array of strings"))?;
                let types = names.map(|names| names.iter().map(|name| ConnectionType::from(&**name)).collect());
                store(&mut message.supported_connection_types, types)
            }
            Field::Ext if scanner.next_kind()? != Next::Object => {
                scanner.skip()?;
                Some(fault("ext", "an object"))
            }
            Field::Ext => {
                self.ext = Some(scanner.copied_value()?);
                None
            }
            Field::Data => {
                self.data = Some(scanner.copied_value()?);
                None
            }
        };
        if message.fault.is_none() {
            message.fault = fault;
        }
        Ok(())
    }
}

/// A value, or what is wrong with its type; the outer error refuses the batch.
type Read<T> = Result<Result<T, FieldFault>, DecodeError>;

/// Keeps a value in its field; what is wrong with it otherwise.
fn store<T>(field: &mut Option<T>, read: Result<T, FieldFault>) -> Option<FieldFault> {
    match read {
        Ok(value) => {
            *field = Some(value);
            None
        }
        Err(fault) => Some(fault),
    }
}

fn text(scanner: &mut Scanner<'_>, field: &'static str) -> Read<Box<str>> {
    if scanner.next_kind()? != Next::String {
        scanner.skip()?;
        return Ok(Err(fault(field, "a string")));
    }
    Ok(Ok(scanner.string()?.boxed()))
}

fn connection_type(scanner: &mut Scanner<'_>) -> Read<ConnectionType> {
    if scanner.next_kind()? != Next::String {
        scanner.skip()?;
        return Ok(Err(fault("connectionType", "a string")));
    }
    Ok(Ok(ConnectionType::from(&*scanner.string()?.decode())))
}

fn flag(scanner: &mut Scanner<'_>, field: &'static str) -> Read<bool> {
    if scanner.next_kind()? != Next::Bool {
        scanner.skip()?;
        return Ok(Err(fault(field, "true or false")));
    }
    Ok(scanner.word()?.ok_or_else(|| fault(field, "true or false")))
}

fn id(scanner: &mut Scanner<'_>) -> Read<MessageId> {
    let id = match scanner.next_kind()? {
        Next::String => MessageId::Text(scanner.string()?.boxed()),
        Next::Number => MessageId::Number(scanner.number()?.into()),
        _ => {
            scanner.skip()?;
            return Ok(Err(fault("id", "a string or a number")));
        }
    };
    let (MessageId::Text(text) | MessageId::Number(text)) = &id;
    Ok(if text.len() > MAX_ID_BYTES { Err(fault("id", "at most 255 bytes")) } else { Ok(id) })
}

fn subscription(scanner: &mut Scanner<'_>) -> Read<Subscription> {
    const FAULT: FieldFault = fault("subscription", "a string or an array of strings");
    if scanner.next_kind()? == Next::String {
        return Ok(Ok(Subscription::One(scanner.string()?.boxed())));
    }
    Ok(texts(scanner, FAULT)?.map(Subscription::Many))
}

fn texts(scanner: &mut Scanner<'_>, fault: FieldFault) -> Read<Vec<Box<str>>> {
    if scanner.next_kind()? != Next::Array {
        scanner.skip()?;
        return Ok(Err(fault));
    }
    let (mut texts, mut wrong, mut first) = (Vec::new(), false, true);
    scanner.enter()?;
    while scanner.more(b']', first)? {
        first = false;
        if scanner.next_kind()? == Next::String {
            texts.push(scanner.string()?.boxed());
        } else {
            scanner.skip()?;
            wrong = true;
        }
    }
    Ok(if wrong { Err(fault) } else { Ok(texts) })
}

/// Unknown keys are ignored; at the top level, an object under one is advice for the transport of that name.
fn advice(scanner: &mut Scanner<'_>, sections: bool) -> Read<Advice> {
    const FAULT: FieldFault = fault("advice", "an object with fields of the right types");
    if scanner.next_kind()? != Next::Object {
        scanner.skip()?;
        return Ok(Err(FAULT));
    }
    let (mut advice_read, mut wrong, mut first) = (Advice::default(), false, true);
    scanner.enter()?;
    while scanner.more(b'}', first)? {
        first = false;
        let key = scanner.key()?.decode();
        let kind = scanner.next_kind()?;
        match (&*key, kind) {
            (_, Next::Null) => scanner.skip()?,
            ("reconnect", Next::String) => {
                advice_read.reconnect = Some(Reconnect::from(&*scanner.string()?.decode()));
            }
            ("interval", Next::Number) => advice_read.interval = Some(millis(scanner.number()?)),
            ("timeout", Next::Number) => advice_read.timeout = Some(millis(scanner.number()?)),
            ("maxInterval", Next::Number) => advice_read.max_interval = Some(millis(scanner.number()?)),
            ("multiple-clients", Next::Bool) => advice_read.multiple_clients = scanner.word()?,
            ("hosts", Next::Array) => match texts(scanner, FAULT)? {
                Ok(hosts) => advice_read.hosts = Some(hosts),
                Err(_) => wrong = true,
            },
            ("reconnect" | "interval" | "timeout" | "maxInterval" | "multiple-clients" | "hosts", _) => {
                scanner.skip()?;
                wrong = true;
            }
            (name, Next::Object) if sections && advice_read.transports.len() < MAX_ADVICE_SECTIONS => {
                let name = ConnectionType::from(name);
                match advice(scanner, false)? {
                    Ok(section) => advice_read.transports.push((name, section)),
                    Err(_) => wrong = true,
                }
            }
            _ => scanner.skip()?,
        }
    }
    Ok(if wrong { Err(FAULT) } else { Ok(advice_read) })
}

/// A number of milliseconds: its fraction is dropped, what is out of range saturates.
fn millis(number: &str) -> i64 {
    number.parse::<i64>().unwrap_or_else(|_| number.parse::<f64>().unwrap_or(0.0) as i64)
}
