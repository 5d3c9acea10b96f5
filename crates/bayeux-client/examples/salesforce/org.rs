//! A server that behaves as Salesforce documents its Streaming API, as far as a client sees it: bearer tokens that are revoked, a cookie,
//! long-polling alone, `ext.replay` with a window of events that are kept, and errors of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, cookie::Cookie, web};
use bayeux_client::Token;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::timeout};

const COOKIE: &str = "sfdc-stream";
/// Events of a channel that are kept.
const KEPT: usize = 100;
/// How long a connect is held; there it is 110 seconds.
const HOLD: Duration = Duration::from_secs(2);

/// One customer's server. Clones are the same.
#[derive(Clone)]
pub(crate) struct Org(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    inner: Mutex<Inner>,
    /// Something was published, or a session is gone.
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// The number of the token that is believed.
    token: u64,
    last_replay_id: i64,
    events: BTreeMap<String, VecDeque<(i64, Value)>>,
    sessions: BTreeMap<String, Session>,
    last_session: u64,
}

/// What was handed over of each channel.
#[derive(Default)]
struct Session {
    cursors: BTreeMap<String, i64>,
}

impl Org {
    /// On a free port, in this thread's runtime of actix.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let org = Self(Arc::new(Shared { address, inner: Mutex::default(), changed: Notify::new() }));
        let served = org.clone();
        let app =
            move || App::new().app_data(web::Data::new(served.clone())).route("/cometd/60.0", web::post().to(answer));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener)?;
        actix_web::rt::spawn(server.run());
        Ok(org)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/cometd/60.0", self.0.address)
    }

    /// One that is believed.
    pub(crate) fn token(&self) -> Token {
        Token::new(format!("token-{}", self.lock().token))
    }

    /// Those that were given are not believed any more.
    pub(crate) fn revoke_tokens(&self) {
        self.lock().token += 1;
        self.0.changed.notify_waiters();
    }

    /// As when requests are routed to another server.
    pub(crate) fn forget_sessions(&self) {
        self.lock().sessions.clear();
        self.0.changed.notify_waiters();
    }

    pub(crate) fn publish(&self, channel: &str, payload: &Value) {
        let mut inner = self.lock();
        // They grow, and not by one.
        inner.last_replay_id += 3;
        let replay_id = inner.last_replay_id;
        let data = json!({"schema": "4lbeJSp", "payload": payload, "event": {"replayId": replay_id}});
        let events = inner.events.entry(channel.to_owned()).or_default();
        events.push_back((replay_id, data));
        if events.len() > KEPT {
            events.pop_front();
        }
        drop(inner);
        self.0.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(org: web::Data<Org>, request: HttpRequest, batch: web::Json<Value>) -> HttpResponse {
    let bearer = request.headers().get("Authorization").and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let cookie = request.cookie(COOKIE).map(|cookie| cookie.value().to_owned());
    let messages = match batch.into_inner() {
        Value::Array(messages) => messages,
        message => vec![message],
    };
    let mut replies = Vec::new();
    let mut response = HttpResponse::Ok();
    for message in &messages {
        let channel = message["channel"].as_str().unwrap_or_default();
        let is_believed = org.lock().believes(&bearer);
        let mut reply = match channel {
            "/meta/handshake" if !is_believed => json!({
                "ext": {"sfdc": {"failureReason": "401::Authentication invalid"}},
                "advice": {"reconnect": "none"}, "error": "403::Handshake denied", "successful": false,
            }),
            "/meta/handshake" => {
                let client_id = org.lock().open();
                response.cookie(Cookie::build(COOKIE, client_id.clone()).path("/").finish());
                json!({
                    "ext": {"replay": true, "payload.format": true}, "minimumVersion": "1.0", "version": "1.0",
                    "clientId": client_id, "supportedConnectionTypes": ["long-polling"], "successful": true,
                })
            }
            _ => match session(message, cookie.as_deref()) {
                Ok(client_id) => org.of_session(channel, message, client_id, &bearer, &mut replies).await,
                Err(refused) => refused,
            },
        };
        reply["channel"] = channel.into();
        reply["id"] = message["id"].clone();
        replies.push(reply);
    }
    response.json(replies)
}

/// Whose a message is; a session has its cookie.
fn session<'m>(message: &'m Value, cookie: Option<&str>) -> Result<&'m str, Value> {
    let client_id = message["clientId"].as_str().unwrap_or_default();
    match cookie {
        Some(cookie) if cookie == client_id => Ok(client_id),
        Some(_) => Err(unknown_client()),
        None => Err(json!({
            "error": format!("400::Client {client_id} has established a session, but no {COOKIE} cookie present"),
            "successful": false,
        })),
    }
}

fn unknown_client() -> Value {
    json!({"advice": {"interval": 0, "reconnect": "handshake"}, "error": "403::Unknown client", "successful": false})
}

impl Org {
    async fn of_session(
        &self,
        channel: &str,
        message: &Value,
        client_id: &str,
        bearer: &str,
        events: &mut Vec<Value>,
    ) -> Value {
        match channel {
            "/meta/connect" => self.connect(client_id, bearer, events).await,
            "/meta/subscribe" => {
                let reply = self.lock().subscribe(client_id, message);
                // What is kept goes with the connect that is held.
                self.0.changed.notify_waiters();
                reply
            }
            "/meta/disconnect" => {
                self.lock().sessions.remove(client_id);
                json!({"successful": true})
            }
            _ => json!({"error": "403:denied_by_security_policy:create_denied", "successful": false}),
        }
    }

    /// Held until there is something to say.
    async fn connect(&self, client_id: &str, bearer: &str, events: &mut Vec<Value>) -> Value {
        let held = async {
            loop {
                let changed = self.0.changed.notified();
                {
                    let mut inner = self.lock();
                    if !inner.believes(bearer) {
                        return json!({
                            "advice": {"reconnect": "none", "interval": 0}, "error": "401::Authentication invalid",
                            "successful": false,
                        });
                    }
                    let Some(due) = inner.due(client_id) else { return unknown_client() };
                    if !due.is_empty() {
                        events.extend(due);
                        return connected(client_id);
                    }
                }
                changed.await;
            }
        };
        timeout(HOLD, held).await.unwrap_or_else(|_| connected(client_id))
    }
}

fn connected(client_id: &str) -> Value {
    let hold = HOLD.as_millis() as u64;
    json!({
        "clientId": client_id, "advice": {"interval": 0, "timeout": hold, "reconnect": "retry"}, "successful": true,
    })
}

impl Inner {
    fn believes(&self, bearer: &str) -> bool {
        bearer == format!("token-{}", self.token)
    }

    fn open(&mut self) -> String {
        self.last_session += 1;
        let client_id = format!("session-{}", self.last_session);
        self.sessions.insert(client_id.clone(), Session::default());
        client_id
    }

    /// From `ext.replay` on: -1 is what comes from now on, -2 all that is kept, else what came behind that number.
    fn subscribe(&mut self, client_id: &str, message: &Value) -> Value {
        let wanted = message["subscription"].as_str().unwrap_or_default();
        let from = message["ext"]["replay"][wanted].as_i64().unwrap_or(-1);
        let events = self.events.get(wanted);
        let first = events.and_then(|events| events.front()).map_or(self.last_replay_id, |(id, _)| *id);
        let cursor = match from {
            -1 => self.last_replay_id,
            -2 => 0,
            number if number >= first && number <= self.last_replay_id => number,
            number => {
                let text = format!(
                    "The replayId {{{number}}} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or \
                     -1 to replay only new events."
                );
                return json!({"error": format!("400::{text}"), "subscription": wanted, "successful": false});
            }
        };
        match self.sessions.get_mut(client_id) {
            Some(session) => {
                session.cursors.insert(wanted.to_owned(), cursor);
                json!({"clientId": client_id, "subscription": wanted, "successful": true})
            }
            None => unknown_client(),
        }
    }

    /// What a session is to get; none if it is not known.
    fn due(&mut self, client_id: &str) -> Option<Vec<Value>> {
        let session = self.sessions.get_mut(client_id)?;
        let mut due = Vec::new();
        for (channel, cursor) in &mut session.cursors {
            for (replay_id, data) in self.events.get(channel).into_iter().flatten() {
                if *replay_id > *cursor {
                    due.push(json!({"channel": channel, "data": data}));
                    *cursor = *replay_id;
                }
            }
        }
        Some(due)
    }
}
