//! The chat page of `bayeux dev`, compiled into the binary.

use actix_web::{HttpResponse, web};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page loads: name, type and content.
const PARTS: [(&str, &str, &str); 5] = [
    ("chat.css", "text/css", include_str!("../assets/chat/chat.css")),
    ("chat.js", "text/javascript", include_str!("../assets/chat/chat.js")),
    ("wire.js", "text/javascript", include_str!("../assets/chat/wire.js")),
    ("bayeux.js", "text/javascript", include_str!("../assets/chat/bayeux.js")),
    ("transports.js", "text/javascript", include_str!("../assets/chat/transports.js")),
];

/// The page and its parts, below `/chat/`; `/` leads there.
pub(crate) fn routes(config: &mut web::ServiceConfig, path: &str) {
    let page = include_str!("../assets/chat/index.html").replace("{{path}}", path);
    let to_chat = || HttpResponse::Found().insert_header(("Location", "/chat/")).finish();
    config
        .route("/", web::get().to(move || async move { to_chat() }))
        .route("/chat", web::get().to(move || async move { to_chat() }))
        .route("/chat/", web::get().to(move || file("text/html", page.clone())));
    for (name, kind, text) in PARTS {
        config.route(&format!("/chat/{name}"), web::get().to(move || file(kind, text)));
    }
}

async fn file(kind: &str, text: impl Into<String>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(format!("{kind};charset=UTF-8"))
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Cache-Control", "no-cache"))
        .body(text.into())
}
