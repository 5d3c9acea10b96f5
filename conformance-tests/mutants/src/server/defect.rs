//! The defects that can be switched on, what each breaks, and which cases of the suite must find it.

/// Cases that run with each defect, beside those that must find it: they show that nothing else is broken.
pub(crate) const SMOKE: &[&str] = &[
    "AK-002", "BAD-006", "CH-011", "CN-001", "CN-009", "DC-001", "DC-004", "DL-001", "ENV-001", "ENV-005", "HS-001",
    "HS-002", "HS-006", "HS-018", "ID-001", "PB-001", "SB-001", "SB-004", "US-003", "WS-001",
];

bayeux_mutants::defects! {
    ReplyWithoutId "reply-without-id" "replies do not repeat the id of their request"
        kills ["ID-001" "HS-013" "CN-018" "DC-008" "SB-027" "US-014" "ID-006" "WS-002" "WS-011" "BAD-032" "MS-008" "ENV-001"] also [];
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
        kills ["HS-018" "HS-033"] also [];
    SequentialClientIds "sequential-client-ids" "clientIds are a counter"
        kills ["HS-004"] also [];
    OldClientIdKept "old-client-id-kept" "a handshake that names an old clientId gets it again"
        kills ["SE-006" "HS-020" "SE-015" "JP-014" "WS-016"] also [];
    EventsInHandshakeReply "events-in-handshake-reply" "what was published lately comes along with the reply to a handshake"
        kills ["HS-021"] also [];
    PublisherInEvent "publisher-in-event" "events name the clientId of their publisher"
        kills ["DL-002" "SC-001" "ALL-005"] also [];
    /// Faye and cometd-nodejs-server: one publish with `reconnect: none` ends every subscriber's client.
    AdviceRelayed "advice-relayed" "the advice of a publisher reaches the subscribers"
        kills ["DL-006"] also [];
    /// Faye and cometd-nodejs-server: an event that looks like a reply.
    ReservedRelayed "reserved-relayed" "successful, error and subscription of a publisher reach the subscribers"
        kills ["DL-005" "SC-006" "DL-025"] also [];
    ExtRelayed "ext-relayed" "the ext of a publisher reaches the subscribers"
        kills ["DL-007"] also [];
    EventNamesPattern "event-names-pattern" "an event carries the pattern of the subscription as its channel"
        kills ["DL-001" "CH-002" "CH-005" "CH-016" "CH-018" "CH-019"] also ["CH-011" "SB-004"];
    StarMatchesDeeper "star-matches-deeper" "/a/* matches /a/b/c"
        kills ["CH-004" "CH-009" "CH-017"] also [];
    DoubleStarMatchesParent "double-star-matches-parent" "/a/** matches /a"
        kills ["CH-007" "CH-017" "CH-019"] also [];
    PatternMatchesPrefix "pattern-matches-prefix" "/a/** matches /ab"
        kills ["CH-008"] also [];
    DoubleStarMatchesOneLevel "double-star-matches-one-level" "/a/** does not match /a/b/c"
        kills ["CH-006" "CH-010" "CH-017" "CH-016"] also ["DL-001"];
    ChannelCaseIgnored "channel-case-ignored" "names that differ only in case are one channel"
        kills ["SB-029"] also [];
    /// cometd-nodejs-server.
    CopyPerSubscription "copy-per-subscription" "four subscriptions that match bring four copies"
        kills ["CH-011"] also [];
    DoubleSubscribeCounts "double-subscribe-counts" "who subscribes twice gets everything twice"
        kills ["SB-023" "MO-005"] also [];
    /// Faye.
    ServiceToSubscribers "service-to-subscribers" "a publish to /service/x reaches subscribers of /**"
        kills ["MS-002" "MS-003" "MS-006"] also [];
    MetaToSubscribers "meta-to-subscribers" "subscribers of /** see meta messages of others"
        kills ["MS-001"] also [];
    MetaSubscribable "meta-subscribable" "a client may subscribe to /meta/connect"
        kills ["SB-019"] also [];
    MetaPublishAccepted "meta-publish-accepted" "a publish to an unknown meta channel succeeds, and is delivered"
        kills ["PB-010" "MS-004"] also [];
    InvalidNameAccepted "invalid-name-accepted" "a channel without a slash is accepted"
        kills ["SB-010" "PB-007"] also [];
    /// Faye; over HTTP and over WebSocket.
    OrphanedFirstConnect "orphaned-first-connect" "the first of two connects is never answered"
        kills ["CN-014" "CN-016" "CN-032" "MO-006"] also [];
    ConnectNeverTimesOut "connect-never-times-out" "a connect is held until there are events"
        kills ["CN-005" "CN-004" "CN-029"] also [];
    ConnectNeverHeld "connect-never-held" "each connect is answered at once"
        kills ["CN-005" "CN-004"] also [];
    ClientTimeoutIgnored "client-timeout-ignored" "advice.timeout of a client is not heeded"
        kills ["CN-003"] also [];
    /// Faye and cometd-nodejs-server.
    ClientTimeoutUncapped "client-timeout-uncapped" "advice.timeout of a client holds a connect for as long as it says"
        kills ["CN-006"] also [];
    EventDoesNotWake "event-does-not-wake" "an event waits for the timeout of the connect that is held"
        kills ["CN-007" "WS-003"] also [];
    EventLostWithoutConnect "event-lost-without-connect" "an event is lost if no connect is held"
        kills ["DL-013" "CN-008"] also ["BAD-006" "CH-011" "DL-001" "ENV-005" "HS-018" "SB-004" "US-003"];
    EventTwice "event-twice" "what came with the reply to a publish comes again with the connect"
        kills ["DL-011" "SB-026" "PB-017" "DL-023"] also [];
    BatchReversed "batch-reversed" "the messages of a batch are carried out last first"
        kills ["BT-005" "DC-010" "PB-024" "DL-003" "BT-008"] also [];
    BatchCut "batch-cut" "what comes after the 64th message of a batch is not carried out"
        kills ["BT-007"] also [];
    /// Faye.
    BatchedReplyHeld "batched-reply-held" "the other replies of a batch wait for the connect in it"
        kills ["CN-017" "BT-009"] also [];
    DisconnectLeavesConnect "disconnect-leaves-connect" "a disconnect does not release the connect that is held"
        kills ["DC-002"] also [];
    DisconnectInvitesRetry "disconnect-invites-retry" "the connect that a disconnect releases advises to retry"
        kills ["DC-003" "ST-016"] also [];
    DisconnectKeepsSession "disconnect-keeps-session" "a session goes on after its disconnect"
        kills ["DC-004" "CN-021" "DC-006" "DC-010" "SE-007"] also [];
    DisconnectAnsweredFirst "disconnect-answered-first" "over a WebSocket a disconnect is answered before the connect that it ends"
        kills ["DC-012"] also [];
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
        kills ["SB-004" "SB-031"] also [];
    UnsubscribeIgnored "unsubscribe-ignored" "an unsubscribe is answered and has no effect"
        kills ["US-003" "BT-004" "BT-005" "US-002" "US-015" "US-016"] also [];
    UnsubscribeTakesPatterns "unsubscribe-takes-patterns" "unsubscribing from /a/x removes /a/* too"
        kills ["US-010"] also [];
    UnsubscribeTakesNames "unsubscribe-takes-names" "unsubscribing from /a/* removes /a/x too"
        kills ["US-011" "US-017"] also [];
    /// cometd-nodejs-server.
    PatternPublishAccepted "pattern-publish-accepted" "a publish to /a/* succeeds"
        kills ["PB-008"] also [];
    FalsyDataDropped "falsy-data-dropped" "data that is 0, false or empty is not delivered"
        kills ["PB-006" "SB-030"] also [];
    RefusedPublishDelivered "refused-publish-delivered" "a publish without the right to it is refused and delivered"
        kills ["PB-018" "SC-003" "BAD-026"] also [];
    /// Faye.
    UnknownPublisherAccepted "unknown-publisher-accepted" "a publish under an unknown clientId succeeds"
        kills ["PB-011" "DC-009"] also [];
    UnknownWithoutAdvice "unknown-without-advice" "an unknown clientId is refused without the advice to shake hands"
        kills ["SE-014" "AD-007" "CN-020" "ST-031"] also [];
    /// cometd-nodejs-server; CometD's Java server had it for a while.
    BatchUnderFirstIdentity "batch-under-first-identity" "only the first message of a batch is matched with the cookie"
        kills ["SC-004"] also [];
    /// Faye, which has no cookie.
    StolenIdAccepted "stolen-id-accepted" "a clientId is accepted without its cookie"
        kills ["SC-003" "WS-017" "SC-017" "ST-021"] also [];
    QueueSharedByBrowser "queue-shared-by-browser" "two sessions of one browser get each other's events"
        kills ["DL-018"] also [];
    /// cometd-nodejs-server.
    CharacterSplitByChunks "character-split-by-chunks" "a character that two chunks share is replaced"
        kills ["ENV-006"] also [];
    BadJsonUnanswered "bad-json-unanswered" "a body that is no JSON is never answered"
        kills ["BAD-001" "BAD-002" "BAD-003" "BAD-012" "BAD-014" "BAD-017" "SC-005" "ENV-025"] also [];
    DeepNestingUnanswered "deep-nesting-unanswered" "a deeply nested body is never answered"
        kills ["BAD-021" "BAD-020"] also [];
    MissingChannelAccepted "missing-channel-accepted" "a message without a channel is answered successfully"
        kills ["BAD-011" "BAD-005" "ALL-001"] also [];
    CallbackUnchecked "callback-unchecked" "any text is taken for the name of a callback"
        kills ["JP-003"] also [];
    LineSeparatorsBare "line-separators-bare" "a script carries U+2028 as it is"
        kills ["JP-005" "ST-025"] also [];
    Cacheable "cacheable" "responses may be cached"
        kills ["ENV-018" "ALL-008" "JP-006"] also [];
    HtmlContentType "html-content-type" "responses with messages are text/html"
        kills ["ENV-003" "ALL-009"] also [];
    AckNotRedelivered "ack-not-redelivered" "what a client did not acknowledge is lost with its connection"
        kills ["AK-003" "AK-005" "AK-008" "AK-011" "AK-012" "AK-022"] also [];
    AckRedeliversAll "ack-redelivers-all" "what a client acknowledged comes again"
        kills ["AK-004"] also [];
    /// Not seen, but near: events were pushed to a socket as soon as the session existed.
    SocketEventBeforeHandshake "socket-event-before-handshake" "an event reaches a WebSocket before the reply to its handshake"
        kills ["WS-024"] also [];
    /// Faye.
    SocketBadJsonIgnored "socket-bad-json-ignored" "a message on a WebSocket that is no JSON gets no answer"
        kills ["WS-008" "BAD-001" "BAD-006" "BAD-007" "BAD-009" "BAD-010" "BAD-025"] also [];
    QueueCut "queue-cut" "an event for which 40 others wait is lost"
        kills ["BT-007" "BT-011"] also [];
    EveryFiftiethLost "every-fiftieth-lost" "each session loses one event of fifty"
        kills ["MO-001" "BT-007" "DL-019"] also [];
    FifthOvertakes "fifth-overtakes" "the fifth event that waits overtakes the fourth"
        kills ["DL-014" "BT-007"] also [];
    HandshakeReplyWithoutVersion "handshake-reply-without-version" "the reply to a handshake names no version"
        kills ["HS-001"] also [];
    FirstNumberOnly "first-number-only" "of a minimumVersion the first number counts"
        kills ["HS-032"] also [];
    FirstCommonTypeOnly "first-common-type-only" "a handshake is told one of the connection types that both have"
        kills ["HS-023"] also [];
    OtherTypesOffered "other-types-offered" "a handshake is told the connection types that its client does not have"
        kills ["HS-005" "WS-001"] also [];
    RefusedForEver "refused-for-ever" "who was refused a handshake is refused the next one too"
        kills ["HS-030"] also [];
    SuccessAdvisesHandshake "success-advises-handshake" "a handshake that succeeded advises to shake hands"
        kills ["AD-008"] also [];
    UnknownConnectAccepted "unknown-connect-accepted" "a connect without a session succeeds"
        kills ["CN-009" "CN-010"] also ["DC-004"];
    UnknownDisconnectAccepted "unknown-disconnect-accepted" "a disconnect without a session succeeds"
        kills ["DC-005" "DC-007"] also [];
    UnknownSubscriberAccepted "unknown-subscriber-accepted" "a subscribe or unsubscribe without a session succeeds"
        kills ["SB-021" "SB-022" "US-007"] also ["DC-004"];
    DisconnectReplyWithoutSuccessful "disconnect-reply-without-successful" "the reply to a disconnect does not say whether it succeeded"
        kills ["DC-001" "ALL-002"] also ["DC-004" "ID-001"];
    SubscriptionNotRepeated "subscription-not-repeated" "the reply to a subscribe or unsubscribe does not name the subscription"
        kills ["SB-001" "US-001" "SB-033"] also [];
    EmptySegmentAccepted "empty-segment-accepted" "segments of a name may be empty"
        kills ["SB-011"] also [];
    StarAnywhereAccepted "star-anywhere-accepted" "a star may stand anywhere in a name"
        kills ["SB-014"] also [];
    PublishReplyWithData "publish-reply-with-data" "the reply to a publish repeats its data if that is an object"
        kills ["PB-022"] also ["ENV-005"];
    /// As if it answered no publishes at all.
    PublishReplyElsewhere "publish-reply-elsewhere" "the reply to a publish is on another channel"
        kills ["PB-001"] also ["AK-002" "CH-011" "DL-001" "ENV-005" "SB-004" "US-003"];
    /// What is asked less strictly of who answers no publishes is seen all the same.
    SilentServiceToSubscribers "silent-service-to-subscribers" "publishes that succeed are not answered, and one to /service/x reaches subscribers of /**"
        kills ["MS-002" "MS-006"] also ["AK-002" "PB-001"];
    PublishReplyWithClientId "publish-reply-with-client-id" "the reply to a publish without clientId has one"
        kills ["PB-015"] also [];
    RefusalWithoutError "refusal-without-error" "a refusal does not say why"
        kills ["PB-023" "SB-034" "HS-015"] also [];
    RefusalEchoes "refusal-echoes" "a refusal repeats what it refuses four times"
        kills ["SC-010"] also [];
    RepliesCut "replies-cut" "of a batch three messages are answered"
        kills ["BT-001"] also [];
    OtherSitesAccepted "other-sites-accepted" "pages of other sites may post, as text/plain too, and open a WebSocket"
        kills ["ENV-009" "SC-008" "WS-023" "ST-028"] also [];
    CorsForAll "cors-for-all" "pages of all sites may come with cookies and read the replies"
        kills ["ENV-019" "ENV-020"] also [];
    EmptyFormAccepted "empty-form-accepted" "a form without messages is answered by an empty array"
        kills ["ENV-015" "JP-008"] also [];
    Sniffable "sniffable" "browsers may guess another type of a response"
        kills ["ENV-031"] also [];
    ScriptWithoutCallback "script-without-callback" "a GET is answered by JSON without a callback"
        kills ["JP-011" "JP-012"] also [];
    PingEndsSocket "ping-ends-socket" "a ping is not answered, and ends the WebSocket"
        kills ["WS-012" "WS-035"] also [];
    CloseUnanswered "close-unanswered" "a close is not answered"
        kills ["WS-034"] also [];
    AckUnasked "ack-unasked" "replies to connects have a number to acknowledge though the client did not ask for it"
        kills ["AK-009"] also [];
    AckAsText "ack-as-text" "the number to acknowledge is a string"
        kills ["AK-002"] also [];
    /// A pool of sessions, each with its id.
    ClientIdGivenAgain "client-id-given-again" "the clientId of a session that ended goes to the next one"
        kills ["HS-003" "MO-009"] also [];
    ClientIdWithDashes "client-id-with-dashes" "clientIds have dashes, as UUIDs do"
        kills ["HS-002"] also [];
    VersionsAsText "versions-as-text" "versions are compared as text"
        kills ["HS-031"] also [];
    PublishReplyWithError "publish-reply-with-error" "a publish that succeeded has an error that says so"
        kills ["PB-001"] also [];
    OlderConnectTakesEvents "older-connect-takes-events" "behind a second connect events go to the first, which was answered"
        kills ["CN-015" "MO-006"] also [];
    CutRepeatsLast "cut-repeats-last" "after a connection was cut the last event comes again"
        kills ["MO-003"] also [];
    /// A reader of JSON that keeps the first, in front of one that keeps the last.
    FirstFieldChecked "first-field-checked" "of a field that comes twice the first is checked, and the last is used"
        kills ["BAD-015" "BAD-016"] also [];
    ControlsDropped "controls-dropped" "control characters in data are left out"
        kills ["BAD-019" "ENV-005" "DL-003" "BT-011"] also [];
    /// Faye.
    ProtoDropped "proto-dropped" "a member of data that is called __proto__ is lost"
        kills ["DL-024"] also [];
    /// Servers that read JSON as JavaScript does.
    HalfCharacterReplaced "half-character-replaced" "half a surrogate pair is replaced"
        kills ["BAD-018"] also [];
    /// Faye and cometd-nodejs-server.
    HugeNumberNull "huge-number-null" "a number that is too large becomes null"
        kills ["BAD-022"] also [];
    PatternsRefused "patterns-refused" "only names can be subscribed to"
        kills ["SB-002" "SB-003"] also ["SB-004" "DL-001" "CH-011"];
    OddSubscriptionAccepted "odd-subscription-accepted" "a subscription that is missing or no text is one to nothing, and succeeds"
        kills ["SB-007" "SB-032" "US-006" "BAD-027"] also [];
    GlobPatterns "glob-patterns" "/a/x* matches /a/xy"
        kills ["SB-015"] also [];
    /// CometD's Java server has such templates, for its own code.
    BracesMatch "braces-match" "/a/{x} matches any /a/y"
        kills ["CH-015"] also [];
    MarksIgnored "marks-ignored" "names that differ only in their marks are one channel"
        kills ["CH-012"] also [];
    NameMatchesBelow "name-matches-below" "a subscription to /a gets what is published to /a/b"
        kills ["CH-001"] also [];
    StarMatchesParent "star-matches-parent" "/a/* matches /a"
        kills ["CH-003" "CH-017"] also [];
    SiblingsMatch "siblings-match" "a subscription to /a/x gets what is published to /a/y"
        kills ["DL-010" "CH-001" "MO-010" "DL-018"] also [];
    OneSubscriber "one-subscriber" "a channel has one subscriber, the last that came"
        kills ["DL-009" "US-015" "MO-007" "MO-008"] also [];
    DisconnectTakesChannel "disconnect-takes-channel" "a disconnect ends the subscriptions of others to the same channels"
        kills ["DC-013" "MO-008"] also [];
    /// As MQTT does, where it is asked for.
    LastEventKept "last-event-kept" "who subscribes to a channel gets the last event of it"
        kills ["DL-017" "DL-021" "US-016"] also [];
    QueueInherited "queue-inherited" "what waits when a session ends reaches the next one of its browser"
        kills ["SE-016"] also [];
    SubscribeBehindConnect "subscribe-behind-connect" "a subscribe waits until the connect of its session is answered"
        kills ["CN-026" "ENV-029"] also ["HS-018" "CH-011"];
    FirstPieceOnly "first-piece-only" "a body ends with what of it comes first"
        kills ["ENV-007" "ENV-006"] also [];
    HalfBodyRun "half-body-run" "what came of a body that breaks off is carried out"
        kills ["ENV-026"] also [];
    /// Streaming readers.
    BrokenBatchRun "broken-batch-run" "messages are carried out as they are read, also those of a batch that turns out to be broken"
        kills ["BAD-035" "BAD-037"] also [];
    /// Faye.
    OddElementsSkipped "odd-elements-skipped" "elements of a batch that are no messages are passed over"
        kills ["BAD-035" "BAD-009" "BAD-010"] also [];
    NestedBatchRun "nested-batch-run" "messages of an array in the batch are carried out"
        kills ["BAD-008"] also [];
    OddIdEndsConnection "odd-id-ends-connection" "an id that is an object or a list ends the connection"
        kills ["BAD-036" "BAD-032"] also [];
    OddMemberUnanswered "odd-member-unanswered" "a message whose advice or ext is no object is not answered"
        kills ["BAD-030" "BAD-031"] also [];
    LongNameUnanswered "long-name-unanswered" "a message with a long name is not answered"
        kills ["SB-018"] also [];
    LargeBatchDropped "large-batch-dropped" "a batch of more than a thousand messages is passed over"
        kills ["BAD-034"] also [];
    FirstSpeaksForAll "first-speaks-for-all" "the messages of a batch run under the clientId of the first"
        kills ["BT-006"] also [];
    LargeHeadUnanswered "large-head-unanswered" "a request with a head of more than 32 KiB is never answered"
        kills ["ENV-027"] also [];
    HeadLinesFromIds "head-lines-from-ids" "an id with line ends in it becomes lines of the head"
        kills ["SC-009"] also [];
    FewConnections "few-connections" "a hundred connections are served at a time; others wait"
        kills ["SC-012"]
        also ["AK-002" "BAD-006" "CH-011" "CN-001" "CN-009" "DC-001" "DC-004" "DL-001" "ENV-001" "ENV-005" "HS-001" "HS-002" "HS-006" "HS-018" "ID-001" "PB-001" "SB-001" "SB-004" "US-003" "WS-001"];
    SlowReaderBlocks "slow-reader-blocks" "while one WebSocket takes nothing, nothing is written to the others"
        kills ["SE-010"] also [];
    FramesLeak "frames-leak" "each frame of a WebSocket costs places for connections"
        kills ["WS-022"]
        also ["AK-002" "BAD-006" "CH-011" "CN-001" "CN-009" "DC-001" "DC-004" "DL-001" "ENV-001" "ENV-005" "HS-001" "HS-002" "HS-006" "HS-018" "ID-001" "PB-001" "SB-001" "SB-004" "US-003" "WS-001"];
    AnyExtensionAgreed "any-extension-agreed" "a WebSocket is agreed upon with whatever extensions and protocols were asked for"
        kills ["WS-037"] also [];
    BlankTexts "blank-texts" "behind each reply to a connect a WebSocket is sent a blank, to keep it open"
        kills ["ALL-007"] also [];
    AdviceAlone "advice-alone" "advice comes as a message of its own too, which has no channel"
        kills ["ALL-001"] also [];
    AckNamedOddly "ack-named-oddly" "the reply to a handshake names a version of the acknowledgements"
        kills ["AK-001"] also [];
    AckPushed "ack-pushed" "events are pushed to a WebSocket also where they are to be acknowledged"
        kills ["AK-006"] also [];
    ScriptWithoutEvents "script-without-events" "a script carries replies alone"
        kills ["JP-007" "JP-005"] also ["DL-001" "US-003"];
    ConnectionEndsSession "connection-ends-session" "a session ends with the connection on which its connect is held"
        kills ["CN-022" "CN-023"] also [];
    EventsWithConnectsOnly "events-with-connects-only" "events come with replies to connects alone"
        kills ["DL-012"] also [];
    RefusalIsHttpError "refusal-is-http-error" "a batch that is refused message by message has the status 400"
        kills ["ENV-032"] also [];
    StrangerUnanswered "stranger-unanswered" "a publish without a session is not answered"
        kills ["PB-013"] also [];
    AnsweredConnectKeepsSession "answered-connect-keeps-session" "a session whose held connect was answered lives for ever"
        kills ["SE-009"] also [];
    TiredConnection "tired-connection" "the fiftieth request on a connection is answered as the one before it"
        kills ["ENV-021"] also [];
    RefusalEndsSession "refusal-ends-session" "a session ends when one of its requests is refused"
        kills ["MO-011" "BT-008" "PB-024"] also [];
    /// Readers of long responses that time out.
    StreamEndsWithEvents "stream-ends-with-events" "a stream ends with the first events on it"
        kills ["ST-001" "ST-003"] also [];
    StreamReplyBehindEvents "stream-reply-behind-events" "the first reply on a stream comes behind what waits"
        kills ["ST-002"] also [];
    NamedStreamUnknown "named-stream-unknown" "no event stream is opened by a clientId in the URL"
        kills ["ST-003" "ST-013"] also [];
    LinesPretty "lines-pretty" "a batch of xhr-streaming is spread over several lines"
        kills ["ST-004" "ALL-010"] also ["DL-001" "US-003" "AK-002"];
    PageCallsParent "page-calls-parent" "the page of an iframe calls a function of the page around, and posts nothing"
        kills ["ST-005"] also [];
    /// Faye.
    QueryStreamUnknown "query-stream-unknown" "no event stream is opened by a connect in a query"
        kills ["ST-006"] also ["AK-002"];
    StreamTransformable "stream-transformable" "proxies may change a stream"
        kills ["ST-007"] also [];
    StreamSilent "stream-silent" "nothing keeps a silent stream alive"
        kills ["ST-008" "ST-013"] also [];
    StreamTimeoutIgnored "stream-timeout-ignored" "advice.timeout of a connect does not end its stream"
        kills ["ST-009" "ST-010"] also [];
    StreamTimesOut "stream-times-out" "a stream ends with the server's timeout"
        kills ["ST-011"] also [];
    /// Faye.
    UnknownStreamOpen "unknown-stream-open" "a stream for a session that is unknown stays open, and silent"
        kills ["ST-012" "ST-030"] also ["CN-009" "DC-004"];
    PostedConnectTakesOver "posted-connect-takes-over" "a connect that is posted beside a stream ends it"
        kills ["ST-014"] also [];
    BesideAtOnce "beside-at-once" "a connect that is posted beside a stream is told to come back at once"
        kills ["ST-015"] also [];
    BesideAckIgnored "beside-ack-ignored" "a connect that is posted beside a stream acknowledges nothing"
        kills ["AK-021"] also [];
    /// Faye.
    StreamJustEnds "stream-just-ends" "a stream ends without a reply"
        kills ["ST-009" "ST-016" "ST-017" "ST-018"] also [];
    StreamEndless "stream-endless" "a stream may carry any amount"
        kills ["ST-018"] also [];
    CompanyStreams "company-streams" "a connect of xhr-streaming opens a stream also in company"
        kills ["ST-020"] also [];
    CutStreamReceives "cut-stream-receives" "a stream whose connection is gone still receives"
        kills ["ST-022"] also [];
    MarkupBare "markup-bare" "scripts carry less-than signs as they are"
        kills ["ST-025" "JP-015" "ST-001"] also [];
    PagePostsToAll "page-posts-to-all" "the page of an iframe posts to whatever page is around it"
        kills ["ST-026"] also [];
    AnyParent "any-parent" "the page of an iframe posts to whatever origin its URL names"
        kills ["ST-027"] also [];
    EventsAlwaysNumbered "events-always-numbered" "events have an id though nothing can be sent again"
        kills ["ST-029"] also [];
    /// As it was in the server of this project for a while.
    EmptyNumberIgnored "empty-number-ignored" "the number of a reply that brought nothing new acknowledges nothing"
        kills ["AK-024"] also [];
    /// CVE-2025-53114.
    AckUnbounded "ack-unbounded" "what is not acknowledged is kept without a bound"
        kills ["AK-013"] also [];
    AckAhead "ack-ahead" "a number above the last one acknowledges what is still to be sent"
        kills ["AK-014"] also [];
    SupersededNumbered "superseded-numbered" "the reply to a superseded connect has a number to acknowledge"
        kills ["AK-016" "AK-020"] also [];
    /// CometD's Java server, by default.
    AckEventsApart "ack-events-apart" "over a WebSocket events come in front of the message with their number"
        kills ["AK-017"] also [];
    StreamEventsUnnumbered "stream-events-unnumbered" "events on a stream have no number to acknowledge"
        kills ["AK-018" "AK-019" "AK-021" "AK-022" "AK-024"] also [];
    LastEventIgnored "last-event-ignored" "Last-Event-ID acknowledges nothing"
        kills ["AK-019" "GP-007"] also [];
    AckForced "ack-forced" "any ext.ack of a handshake is taken for a wish"
        kills ["AK-023"] also [];
    GapAlwaysTold "gap-always-told" "each reply to a connect names a gap, asked for or not"
        kills ["GP-001"] also [];
    GapUnasked "gap-unasked" "who did not offer gap is told of gaps"
        kills ["GP-002"] also [];
    GapMissesOne "gap-misses-one" "of what is missing one is not counted"
        kills ["GP-003" "GP-006" "GP-007"] also [];
    GapCountsWaiting "gap-counts-waiting" "what still waits is said to be missing"
        kills ["GP-004"] also [];
    GapNonsenseAnswered "gap-nonsense-answered" "a count that makes no sense is taken for 0"
        kills ["GP-005"] also [];
    GapHeld "gap-held" "a connect that is told of a gap is held"
        kills ["GP-006"] also [];
    GapBesideAck "gap-beside-ack" "who offers ack and gap is told of both"
        kills ["GP-008"] also [];
    CrowdWithoutInterval "crowd-without-interval" "a session that is told of others of its browser may connect at once"
        kills ["MC-001" "AD-003"] also [];
    CrowdForEver "crowd-for-ever" "a session that was told of others of its browser is told so for ever"
        kills ["MC-002" "AD-005"] also [];
    MoveLosesWaiting "move-loses-waiting" "what waits is lost when a session goes on over another transport"
        kills ["MV-001" "MV-002" "MV-003" "WS-019"] also [];
    MoveRepeatsLast "move-repeats-last" "the last event comes again when a session goes on over another transport"
        kills ["MV-002" "MV-003"] also [];
    ScriptShown "script-shown" "a browser may show a script as a page"
        kills ["JP-016"] also [];
    ScriptTakesEvents "script-takes-events" "events come with any script"
        kills ["JP-017"] also [];
    /// CometD and Faye.
    ScriptCookieTrusted "script-cookie-trusted" "a script element of another site acts by the cookie of its browser"
        kills ["JP-018" "JP-019"] also [];
    CallbackDotRefused "callback-dot-refused" "the name of a callback has no dots"
        kills ["JP-020"] also [];
    /// Faye.
    CallbackDashRefused "callback-dash-refused" "the name of a callback has no dashes"
        kills ["JP-021"] also [];
    CrossOriginRefused "cross-origin-refused" "cross-origin-long-polling is offered and refused"
        kills ["LP-001"] also [];
}
