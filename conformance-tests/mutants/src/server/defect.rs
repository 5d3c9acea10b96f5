//! The defects that can be switched on, what each breaks, and which cases of the suite must find it.

use serde_json::{Value, json};

/// Declares the enum and the table together, so that no defect is without its row.
macro_rules! defects {
    ($($(#[$comment:meta])* $variant:ident $name:literal $breaks:literal kills [$($kills:literal)*] also [$($also:literal)*];)*) => {
        /// One way in which this server can be wrong. Each is asked for by [`World::has`](crate::world::World::has) where the
        /// decision is made; the comments name servers in which it was seen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Defect { $($(#[$comment])* $variant,)* }

        /// All of them.
        pub(crate) const ALL: &[Row] = &[$(Row {
            defect: Defect::$variant, name: $name, breaks: $breaks, kills: &[$($kills),*], also: &[$($also),*],
        },)*];
    };
}

/// A defect as it is listed.
pub(crate) struct Row {
    /// Which it is.
    pub(crate) defect: Defect,
    /// The value of `--defect`.
    pub(crate) name: &'static str,
    /// What is wrong, in a line.
    pub(crate) breaks: &'static str,
    /// Cases of which at least one must fail.
    pub(crate) kills: &'static [&'static str],
    /// Cases of the smoke that may change too, since they stand on what is broken.
    pub(crate) also: &'static [&'static str],
}

/// Cases that run with each defect, beside those that must find it: they show that nothing else is broken.
const SMOKE: &[&str] = &["HS-001", "HS-002", "HS-006", "HS-018", "CH-011"];

defects! {
    ReplyWithoutId "reply-without-id" "replies do not repeat the id of their request"
        kills ["ID-001"] also [];
    /// CometD's Java server.
    NumericIdAsText "numeric-id-as-text" "an id that is a number comes back as a string"
        kills ["ID-002"] also [];
    /// Faye.
    IdZeroDropped "id-zero-dropped" "the id 0 counts as none"
        kills ["ID-003"] also [];
    /// cometd-nodejs-server and, by its source, CometD's Java server.
    NoCommonTypeAccepted "no-common-type-accepted" "a handshake with no connection type in common succeeds"
        kills ["HS-006" "HS-007"] also [];
    FailedHandshakeWithClientId "failed-handshake-with-client-id" "a refused handshake carries a clientId"
        kills ["HS-016" "ALL-006"] also [];
    /// Faye.
    HandshakeRunsBatch "handshake-runs-batch" "what is sent along with a handshake is carried out"
        kills ["HS-018"] also [];
    SequentialClientIds "sequential-client-ids" "clientIds are a counter"
        kills ["HS-004"] also [];
    OldClientIdKept "old-client-id-kept" "a handshake that names an old clientId gets it again"
        kills ["SE-006"] also [];
    EventsInHandshakeReply "events-in-handshake-reply" "what was published lately comes along with the reply to a handshake"
        kills ["HS-021"] also [];
    PublisherInEvent "publisher-in-event" "events name the clientId of their publisher"
        kills ["DL-002" "SC-001" "ALL-005"] also [];
    /// Faye and cometd-nodejs-server: one publish with `reconnect: none` ends every subscriber's client.
    AdviceRelayed "advice-relayed" "the advice of a publisher reaches the subscribers"
        kills ["DL-006"] also [];
    /// Faye and cometd-nodejs-server: an event that looks like a reply.
    ReservedRelayed "reserved-relayed" "successful, error and subscription of a publisher reach the subscribers"
        kills ["DL-005" "SC-006"] also [];
    ExtRelayed "ext-relayed" "the ext of a publisher reaches the subscribers"
        kills ["DL-007"] also [];
    EventNamesPattern "event-names-pattern" "an event carries the pattern of the subscription as its channel"
        kills ["DL-001"] also ["CH-011"];
    StarMatchesDeeper "star-matches-deeper" "/a/* matches /a/b/c"
        kills ["CH-004" "CH-009" "CH-017"] also [];
    DoubleStarMatchesParent "double-star-matches-parent" "/a/** matches /a"
        kills ["CH-007" "CH-017"] also [];
    PatternMatchesPrefix "pattern-matches-prefix" "/a/** matches /ab"
        kills ["CH-008"] also [];
    DoubleStarMatchesOneLevel "double-star-matches-one-level" "/a/** does not match /a/b/c"
        kills ["CH-006" "CH-010" "CH-017"] also [];
    ChannelCaseIgnored "channel-case-ignored" "names that differ only in case are one channel"
        kills ["SB-029"] also [];
    /// cometd-nodejs-server.
    CopyPerSubscription "copy-per-subscription" "four subscriptions that match bring four copies"
        kills ["CH-011"] also [];
    DoubleSubscribeCounts "double-subscribe-counts" "who subscribes twice gets everything twice"
        kills ["SB-023"] also [];
    /// Faye.
    ServiceToSubscribers "service-to-subscribers" "a publish to /service/x reaches subscribers of /**"
        kills ["MS-002" "MS-003"] also [];
    MetaToSubscribers "meta-to-subscribers" "subscribers of /** see meta messages of others"
        kills ["MS-001"] also [];
    MetaSubscribable "meta-subscribable" "a client may subscribe to /meta/connect"
        kills ["SB-019"] also [];
    MetaPublishAccepted "meta-publish-accepted" "a publish to an unknown meta channel succeeds"
        kills ["PB-010" "MS-004"] also [];
    InvalidNameAccepted "invalid-name-accepted" "a channel without a slash is accepted"
        kills ["SB-010" "PB-007"] also [];
    /// Faye; over HTTP and over WebSocket.
    OrphanedFirstConnect "orphaned-first-connect" "the first of two connects is never answered"
        kills ["CN-014" "WS-006"] also [];
    ConnectNeverTimesOut "connect-never-times-out" "a connect is held until there are events"
        kills ["CN-005" "CN-004"] also [];
    ConnectNeverHeld "connect-never-held" "each connect is answered at once"
        kills ["CN-005" "CN-004"] also [];
    ClientTimeoutIgnored "client-timeout-ignored" "advice.timeout of a client is not heeded"
        kills ["CN-003"] also [];
    /// Faye and cometd-nodejs-server.
    ClientTimeoutUncapped "client-timeout-uncapped" "advice.timeout of a client holds a connect for as long as it says"
        kills ["CN-006"] also [];
    EventDoesNotWake "event-does-not-wake" "an event waits for the timeout of the connect that is held"
        kills ["CN-007"] also [];
    EventLostWithoutConnect "event-lost-without-connect" "an event is lost if no connect is held"
        kills ["DL-013" "CN-008"] also ["CH-011" "HS-018"];
    EventTwice "event-twice" "what came with the reply to a publish comes again with the connect"
        kills ["DL-011"] also [];
    BatchReversed "batch-reversed" "the messages of a batch are carried out last first"
        kills ["BT-005"] also [];
    BatchCut "batch-cut" "what comes after the 64th message of a batch is not carried out"
        kills ["BT-007"] also [];
    /// Faye.
    BatchedReplyHeld "batched-reply-held" "the other replies of a batch wait for the connect in it"
        kills ["CN-017" "BT-009"] also [];
    DisconnectLeavesConnect "disconnect-leaves-connect" "a disconnect does not release the connect that is held"
        kills ["DC-002"] also [];
    DisconnectInvitesRetry "disconnect-invites-retry" "the connect that a disconnect releases advises to retry"
        kills ["DC-003"] also [];
    DisconnectKeepsSession "disconnect-keeps-session" "a session goes on after its disconnect"
        kills ["DC-004" "CN-021" "DC-006"] also [];
    SubscriptionsSurvive "subscriptions-survive" "a new session of the same browser has the old one's subscriptions"
        kills ["SE-005"] also [];
    SessionNeverExpires "session-never-expires" "a session without a connect lives for ever"
        kills ["SE-001" "SE-002" "CN-020"] also [];
    ExpiresWhileHeld "expires-while-held" "connects do not keep a session alive"
        kills ["SE-003"] also [];
    /// Faye and cometd-nodejs-server.
    PartialSubscription "partial-subscription" "the first channels of an array that is refused are subscribed"
        kills ["SB-024" "SB-025"] also [];
    SubscriptionArrayCut "subscription-array-cut" "only the first channel of an array is subscribed"
        kills ["SB-004"] also [];
    UnsubscribeIgnored "unsubscribe-ignored" "an unsubscribe is answered and has no effect"
        kills ["US-003" "BT-004" "BT-005"] also [];
    UnsubscribeTakesPatterns "unsubscribe-takes-patterns" "unsubscribing from /a/x removes /a/* too"
        kills ["US-010"] also [];
    UnsubscribeTakesNames "unsubscribe-takes-names" "unsubscribing from /a/* removes /a/x too"
        kills ["US-011"] also [];
    /// cometd-nodejs-server.
    PatternPublishAccepted "pattern-publish-accepted" "a publish to /a/* succeeds"
        kills ["PB-008"] also [];
    FalsyDataDropped "falsy-data-dropped" "data that is 0, false or empty is not delivered"
        kills ["PB-006"] also [];
    RefusedPublishDelivered "refused-publish-delivered" "a publish without the right to it is refused and delivered"
        kills ["PB-018" "SC-003" "PB-011"] also [];
    /// Faye.
    UnknownPublisherAccepted "unknown-publisher-accepted" "a publish under an unknown clientId succeeds"
        kills ["PB-011"] also [];
    UnknownWithoutAdvice "unknown-without-advice" "an unknown clientId is refused without the advice to shake hands"
        kills ["CN-009" "SE-014" "AD-007" "CN-020"] also [];
    /// cometd-nodejs-server; CometD's Java server had it for a while.
    BatchUnderFirstIdentity "batch-under-first-identity" "only the first message of a batch is matched with the cookie"
        kills ["SC-004" "BT-006"] also [];
    /// Faye, which has no cookie.
    StolenIdAccepted "stolen-id-accepted" "a clientId is accepted without its cookie"
        kills ["SC-003" "WS-017"] also [];
    QueueSharedByBrowser "queue-shared-by-browser" "two sessions of one browser get each other's events"
        kills ["DL-018"] also [];
    /// cometd-nodejs-server.
    CharacterSplitByChunks "character-split-by-chunks" "a character that two chunks share is replaced"
        kills ["ENV-006"] also [];
    BadJsonUnanswered "bad-json-unanswered" "a body that is no JSON is never answered"
        kills ["BAD-001"] also [];
    DeepNestingUnanswered "deep-nesting-unanswered" "a deeply nested body is never answered"
        kills ["BAD-021" "BAD-020"] also [];
    MissingChannelAccepted "missing-channel-accepted" "a message without a channel is answered successfully"
        kills ["BAD-011"] also [];
    CallbackUnchecked "callback-unchecked" "any text is taken for the name of a callback"
        kills ["JP-003"] also [];
    LineSeparatorsBare "line-separators-bare" "a script carries U+2028 as it is"
        kills ["JP-005"] also [];
    Cacheable "cacheable" "responses may be cached"
        kills ["ENV-018" "ALL-008" "JP-006"] also [];
    HtmlContentType "html-content-type" "responses with messages are text/html"
        kills ["ENV-003" "ALL-009"] also [];
    AckNotRedelivered "ack-not-redelivered" "what a client did not acknowledge is lost with its connection"
        kills ["AK-003"] also [];
    AckRedeliversAll "ack-redelivers-all" "what a client acknowledged comes again"
        kills ["AK-004"] also [];
    /// Not seen, but near: events were pushed to a socket as soon as the session existed.
    SocketEventBeforeHandshake "socket-event-before-handshake" "an event reaches a WebSocket before the reply to its handshake"
        kills ["WS-024"] also [];
    /// Faye.
    SocketBadJsonIgnored "socket-bad-json-ignored" "a message on a WebSocket that is no JSON gets no answer"
        kills ["WS-008"] also [];
    QueueCut "queue-cut" "an event for which 40 others wait is lost"
        kills ["BT-007" "BT-011"] also [];
    EveryFiftiethLost "every-fiftieth-lost" "each session loses one event of fifty"
        kills ["MO-001" "BT-007"] also [];
    FifthOvertakes "fifth-overtakes" "the fifth event that waits overtakes the fourth"
        kills ["DL-014" "MO-002" "BT-007"] also [];
}

/// The defect of this name.
pub(crate) fn parse(name: &str) -> Result<Defect, String> {
    let found = ALL.iter().find(|row| row.name == name);
    found.map(|row| row.defect).ok_or_else(|| "no such defect; --list names them".into())
}

/// All of them as JSON, with the smoke.
pub(crate) fn as_json() -> Value {
    let defects: Vec<_> = ALL
        .iter()
        .map(|row| json!({"name": row.name, "breaks": row.breaks, "kills": row.kills, "also": row.also}))
        .collect();
    json!({"smoke": SMOKE, "defects": defects})
}

/// All of them, a line each.
pub(crate) fn as_text() -> String {
    ALL.iter().map(|row| format!("{:<32}{:<28}{}\n", row.name, row.kills.join(" "), row.breaks)).collect()
}
