//! The defects that can be switched on, what each breaks, and which cases of the suite must find it.

/// Cases that run with each defect, beside those that must find it: they show that nothing else is broken.
pub(crate) const SMOKE: &[&str] = &[
    "CL-001", "CL-006", "CL-014", "CL-020", "CL-021", "CL-025", "CL-028", "CL-039", "CL-040", "CL-041", "CL-043",
    "CL-053", "CL-055", "CL-056", "CL-064", "CL-069", "CL-111", "CL-114", "CL-115", "CL-116",
];

bayeux_mutants::defects! {
    HandshakeWithoutVersion "handshake-without-version" "a handshake has no version"
        kills ["CL-001"] also [];
    HandshakeInCompany "handshake-in-company" "a subscribe request comes in one batch with the handshake"
        kills ["CL-002"] also ["CL-006"];
    LongPollingNotOffered "long-polling-not-offered" "a client of a WebSocket offers nothing else"
        kills ["CL-003"] also [];
    TextPlain "text-plain" "requests are posted as text/plain"
        kills ["CL-004"] also [];
    SameId "same-id" "all requests have one id"
        kills ["CL-005"] also ["CL-021" "CL-043" "CL-055" "CL-056"];
    /// Faye, where it has no session yet.
    PublishWithoutClientId "publish-without-client-id" "what the application publishes has no clientId"
        kills ["CL-006"] also ["CL-014" "CL-039" "CL-043" "CL-115"];
    UnofferedType "unoffered-type" "connects name a connection type that the server did not offer"
        kills ["CL-007"] also [];
    NoCommonTypeNeeded "no-common-type-needed" "a client connects though the server offers nothing that it has"
        kills ["CL-008"] also [];
    SubscribesToNothing "subscribes-to-nothing" "a session begins with a subscription to an empty array"
        kills ["CL-050"] also [];
    UnsubscribeWithoutSubscription "unsubscribe-without-subscription" "an unsubscribe names what it is about in a member of its own"
        kills ["CL-051" "CL-111"] also [];
    FalsyDataUnsent "falsy-data-unsent" "a publish of 0 has no data"
        kills ["CL-052"] also [];
    DisconnectWithoutClientId "disconnect-without-client-id" "a disconnect has no clientId"
        kills ["CL-053" "CL-100"] also ["CL-006"];
    ConnectionIdSent "connection-id-sent" "connects carry a connectionId, as in early drafts"
        kills ["CL-068"] also [];
    NoArray "no-array" "a message is sent without an array around it"
        kills ["CL-099"] also [];
    TwoConnects "two-connects" "a second connect is sent while the first is held"
        kills ["CL-021"] also ["CL-025"];
    StrayReplyConnects "stray-reply-connects" "a reply to a connect that nobody waits for is followed by a connect"
        kills ["CL-037" "CL-038"] also ["CL-021"];
    NoPause "no-pause" "what failed is tried again at once"
        kills ["CL-011" "CL-030" "CL-031" "CL-032" "CL-062" "CL-096" "CL-098" "CL-113"] also [];
    IntervalIgnored "interval-ignored" "the next connect does not wait for the interval"
        kills ["CL-010" "CL-022" "CL-093" "CL-097" "CL-110"] also [];
    FirstIntervalKept "first-interval-kept" "an interval is kept though a later advice says another"
        kills ["CL-110"] also [];
    /// npm cometd and Faye.
    NegativeIntervalIsZero "negative-interval-is-zero" "a negative interval is taken for none"
        kills ["CL-023"] also [];
    DiesOfNegativeInterval "dies-of-negative-interval" "the client ends with an error at a negative interval"
        kills ["CL-123"] also [];
    OtherTypesAdviceHeeded "other-types-advice-heeded" "advice for another connection type is followed"
        kills ["CL-045"] also [];
    OwnTypesAdviceIgnored "own-types-advice-ignored" "advice for the client's own connection type is not followed"
        kills ["CL-102"] also [];
    GoesOnAfterNone "goes-on-after-none" "the client tries again though it was told to do nothing"
        kills ["CL-009" "CL-024"] also [];
    UnknownReconnectRetries "unknown-reconnect-retries" "a value of reconnect that is not known is taken for retry"
        kills ["CL-048"] also [];
    ConnectsForHandshake "connects-for-handshake" "a client that is told to shake hands connects"
        kills ["CL-025" "CL-029"] also ["CL-028"];
    ErrorDecides "error-decides" "the client shakes hands again only if the error is 402"
        kills ["CL-029"] also [];
    FailedHandshakeIgnored "failed-handshake-ignored" "a client connects after a handshake that failed"
        kills ["CL-012"] also [];
    OldClientIdInConnects "old-client-id-in-connects" "connects carry the clientId of the first session for ever"
        kills ["CL-025" "CL-028"] also [];
    OldClientIdInPublishes "old-client-id-in-publishes" "publishes carry the clientId of the first session for ever"
        kills ["CL-026" "CL-027"] also [];
    NotSubscribedAgain "not-subscribed-again" "a new session lacks the subscriptions of the one before"
        kills ["CL-027"] also [];
    CookieForgotten "cookie-forgotten" "cookies are not sent back"
        kills ["CL-015"] also [];
    RepliesByOrder "replies-by-order" "a reply to a publish is taken for that to the oldest request"
        kills ["CL-057"] also [];
    EventTakenForReply "event-taken-for-reply" "an event with an id is taken for a successful reply to the request of that id"
        kills ["CL-043"] also [];
    /// npm cometd.
    EventAdviceHeeded "event-advice-heeded" "an event with the advice none ends the session"
        kills ["CL-044"] also [];
    EventsWithConnectsOnly "events-with-connects-only" "events that come in the response to something else than a connect are lost"
        kills ["CL-039"] also [];
    DeafAfterAdvice "deaf-after-advice" "what stands behind advice in a response is lost"
        kills ["CL-039"] also [];
    FirstMessageOnly "first-message-only" "of a response only the first message counts"
        kills ["CL-040"] also ["CL-039" "CL-041" "CL-043" "CL-053" "CL-064" "CL-114"];
    DiesOfStrayEvent "dies-of-stray-event" "an event that nobody subscribed to ends the client"
        kills ["CL-041"] also ["CL-043" "CL-056" "CL-111"];
    HandlerEndsBatch "handler-ends-batch" "what stands behind an event whose handler failed is lost"
        kills ["CL-091"] also [];
    CharacterSplitByChunks "character-split-by-chunks" "a character that two pieces share is replaced"
        kills ["CL-064"] also [];
    PropertyNamesLost "property-names-lost" "members that are called like properties of every object are lost"
        kills ["CL-069"] also [];
    FalsyEventDropped "falsy-event-dropped" "an event whose data is 0, false or empty does not reach its handler"
        kills ["CL-114"] also ["CL-040"];
    NullEventDropped "null-event-dropped" "an event whose data is null does not reach its handler"
        kills ["CL-116"] also [];
    DataSentAsText "data-sent-as-text" "data is published as a string that holds JSON"
        kills ["CL-115"] also ["CL-055"];
    HandlerKept "handler-kept" "a handler gets events after its unsubscribe"
        kills ["CL-111"] also [];
    SilentDisconnect "silent-disconnect" "a client that is closed just goes"
        kills ["CL-053"] also [];
    ConnectsAfterDisconnect "connects-after-disconnect" "a client goes on to connect when it was closed"
        kills ["CL-054" "CL-092"] also [];
    RefusedPublishSucceeds "refused-publish-succeeds" "the application is not told that its publish was refused"
        kills ["CL-055"] also ["CL-043"];
    RefusedSubscriptionSucceeds "refused-subscription-succeeds" "the application is not told that its subscription was refused"
        kills ["CL-056"] also [];
    PublishWaitsForConnect "publish-waits-for-connect" "a publish waits for the connect that is held"
        kills ["CL-060"] also [];
    WaitsForEver "waits-for-ever" "a reply that does not come is waited for without end"
        kills ["CL-035" "CL-058"] also [];
    ForgetsPublishes "forgets-publishes" "a publish that was on its way when the connection broke is never heard of again"
        kills ["CL-077"] also [];
    /// Faye's polling, where the body is no JSON.
    GivesUpOnStatus "gives-up-on-status" "one response with an error status ends the client's efforts"
        kills ["CL-031"] also [];
    GivesUpOnBadJson "gives-up-on-bad-json" "one response that is no JSON ends the client's efforts"
        kills ["CL-034" "CL-066" "CL-103" "CL-121"] also [];
    GivesUpWithoutReply "gives-up-without-reply" "one response without the reply ends the client's efforts"
        kills ["CL-104" "CL-119"] also [];
    GivesUpOnceBroken "gives-up-once-broken" "one connection that breaks ends the client's efforts"
        kills ["CL-032" "CL-033" "CL-096" "CL-109" "CL-117" "CL-118"] also [];
    NewSessionAfterClose "new-session-after-close" "a WebSocket that was closed is followed by a new session"
        kills ["CL-072" "CL-105" "CL-106" "CL-107"] also [];
    NoFallBack "no-fall-back" "a client whose WebSocket does not open tries nothing else"
        kills ["CL-070" "CL-108"] also [];
    PingEndsSocket "ping-ends-socket" "a ping is not answered, and ends the WebSocket"
        kills ["CL-073" "CL-120"] also [];
    EndsWithBinary "ends-with-binary" "a binary message ends the client"
        kills ["CL-074"] also [];
    EndsWithBrokenFrame "ends-with-broken-frame" "a frame that breaks the rules ends the client"
        kills ["CL-122"] also [];
    AcknowledgesNothing "acknowledges-nothing" "what was agreed to be acknowledged is not"
        kills ["CL-080"] also [];
    AcknowledgesUnasked "acknowledges-unasked" "replies are acknowledged though the server does not know how"
        kills ["CL-083"] also [];
}
