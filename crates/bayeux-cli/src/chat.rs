//! The chat page of `bayeux dev`, compiled into the binary.

use actix_web::{HttpResponse, web};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'";

/// The page and its parts, below `/chat/`; `/` leads there.
pub(crate) fn routes(config: &mut web::ServiceConfig, path: &str) {
    let page = include_str!("../assets/chat/index.html").replace("{{path}}", path);
    let to_chat = || HttpResponse::Found().insert_header(("Location", "/chat/")).finish();
    config
        .route("/", web::get().to(move || async move { to_chat() }))
        .route("/chat", web::get().to(move || async move { to_chat() }))
        .route("/chat/", web::get().to(move || file(page.clone(), "text/html")))
        .route("/chat/chat.css", web::get().to(|| file(include_str!("../assets/chat/chat.css").to_owned(), "text/css")))
        .route("/chat/chat.js", web::get().to(|| script(include_str!("../assets/chat/chat.js"))))
        .route("/chat/bayeux.js", web::get().to(|| script(include_str!("../assets/chat/bayeux.js"))));
}

async fn script(text: &'static str) -> HttpResponse {
    file(text.to_owned(), "text/javascript").await
}

async fn file(text: String, kind: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(format!("{kind};charset=UTF-8"))
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Cache-Control", "no-cache"))
        .body(text)
}
