//! The application beside the endpoint: connections that are not ours run through actix, with what was read of them in front.

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::{HttpService, Request, Response, body::BoxBody};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, boxed, fn_service, map_config};
use actix_web::{App, Error, body::MessageBody, dev::AppConfig};
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{endpoint::Endpoint, io::Stream};

/// Runs one connection through the application.
pub(super) type Application<T> =
    boxed::BoxService<(Prefixed<T>, Option<SocketAddr>), (), actix_http::error::DispatchError>;

type Answering = boxed::RcService<Request, Response<BoxBody>, Response<BoxBody>>;

/// The application of one worker. Requests for the endpoint that come on its connections, such as those of a page that a
/// browser has just loaded, go to the endpoint without passing the application.
pub(super) async fn start<F, I, S, B, T>(
    factory: &F,
    endpoint: Rc<Endpoint>,
    local: SocketAddr,
) -> Result<Application<T>, ()>
where
    F: Fn() -> I,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
    T: Stream,
{
    let config = AppConfig::__priv_test_new(endpoint.secure, local.to_string(), local);
    let theirs = answering(factory(), config.clone()).await?;
    let ours = App::new().service(endpoint.bayeux.service(&endpoint.options.path));
    let ours = answering(ours, config).await?;
    let http = HttpService::build().h1_allow_half_closed(false);
    let http = if endpoint.secure { http.secure() } else { http };
    let service = http.local_addr(local).h1(fn_service(move |request: Request| {
        let service = if endpoint.is_ours(request.path()) { ours.clone() } else { theirs.clone() };
        async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        }
    }));
    let service = service.new_service(()).await?;
    Ok(boxed::service(service))
}

/// The service of an `App`, answering with boxed bodies.
async fn answering<I, S, B>(app: I, config: AppConfig) -> Result<Answering, ()>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let factory = map_config(app.into_factory(), move |()| config.clone())
        .map(|response: S::Response| response.into().map_into_boxed_body())
        .map_err(|error| Response::from(error.into().error_response()));
    let service = factory.new_service(()).await.map_err(|error| {
        tracing::error!(target: "bayeux::front", ?error, "the application could not be started");
    })?;
    Ok(boxed::rc_service(service))
}

/// A connection with the bytes in front that were read of it already.
pub(super) struct Prefixed<T> {
    front: Bytes,
    io: T,
}

impl<T> Prefixed<T> {
    pub(super) const fn new(front: Bytes, io: T) -> Self {
        Self { front, io }
    }
}

impl<T: Stream> AsyncRead for Prefixed<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.front.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        }
        let here = this.front.len().min(buffer.remaining());
        buffer.put_slice(&this.front[..here]);
        this.front.advance(here);
        Poll::Ready(Ok(()))
    }
}

impl<T: Stream> AsyncWrite for Prefixed<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
