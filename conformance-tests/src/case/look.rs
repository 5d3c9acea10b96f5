//! What a case may look at in a stream, as it is written in case files.

use super::fields::Fields;
use crate::json::Json;
use crate::pattern;

/// One look.
#[derive(Debug, Clone)]
pub enum Look {
    /// Its head fields fit.
    Head(Vec<(String, Json)>),
    /// The next batch fits, and the id of its event.
    Batch {
        /// Of the array.
        messages: Json,
        /// Of the id, or of its absence.
        id: Option<Json>,
    },
    /// How long a browser is to wait before it opens the stream anew.
    Retry(Json),
    /// A comment or white space comes.
    Beat,
    /// It goes on.
    Open,
    /// It ends, and its last message fits.
    End(Json),
    /// What has come, as text, fits.
    Text(Json),
}

impl Look {
    /// Reads the members of a step.
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self, String> {
        let patterns = ["batch", "id", "retry", "end", "text"].map(|name| fields.get(name));
        patterns.into_iter().flatten().try_for_each(pattern::validate)?;
        let [batch, id, retry, end, text] = patterns.map(|pattern| pattern.cloned());
        let flags = [fields.flag("beat")?, fields.flag("open")?];
        if let Some(head) = fields.get("head") {
            let head = head.as_object().ok_or("head is an object of head fields")?.to_vec();
            head.iter().try_for_each(|(_, value)| pattern::validate(value))?;
            return Ok(Self::Head(head));
        }
        match (batch, retry, end, text, flags) {
            (Some(messages), ..) => Ok(Self::Batch { messages, id }),
            (_, Some(retry), ..) => Ok(Self::Retry(retry)),
            (_, _, Some(last), ..) => Ok(Self::End(last)),
            (_, _, _, Some(text), _) => Ok(Self::Text(text)),
            (.., [true, _]) => Ok(Self::Beat),
            (.., [_, true]) => Ok(Self::Open),
            _ => Err("a look at a stream has one of head, batch, retry, beat, open, end, text".into()),
        }
    }
}
