//! Connections whose other end has stopped reading.

use std::any::Any;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;

/// How long what was sent may wait to be acknowledged, and what is to be sent may wait for room at the other end.
pub const UNREAD_FOR: Duration = Duration::from_secs(30);

/// For `HttpServer::on_connect`. The server writes an answer only as fast as the client reads it, and would wait forever for one that
/// stops reading. This tells the kernel to close such a connection.
pub fn cut_when_unread(connection: &dyn Any, _: &mut Extensions) {
    cut_when_unread_for(connection, UNREAD_FOR);
}

fn cut_when_unread_for(connection: &dyn Any, unread: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(unread)) {
        tracing::warn!(%error, "a connection has no time-out for what is not read");
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::sync::Arc;

    use actix_web::web::{self, Bytes};
    use actix_web::{App, HttpResponse, HttpServer};
    use futures_util::stream;
    use tokio::io::AsyncWriteExt;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;

    /// Tells when the answer it belongs to is over.
    struct Told(Arc<Notify>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    #[actix_web::test]
    async fn an_answer_that_nobody_reads_is_cut() {
        let over = Arc::new(Notify::new());
        let told = over.clone();
        let server = HttpServer::new(move || {
            let told = told.clone();
            App::new().default_service(web::to(move || {
                let told = Told(told.clone());
                async move {
                    let part = move || {
                        let _ = &told;
                        Ok::<_, actix_web::Error>(Bytes::from(vec![b'x'; 64 * 1024]))
                    };
                    HttpResponse::Ok().streaming(stream::repeat_with(part))
                }
            }))
        })
        .workers(1)
        .on_connect(|connection, _| cut_when_unread_for(connection, Duration::from_millis(500)))
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        let serving = actix_web::rt::spawn(server);
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        timeout(Duration::from_secs(20), over.notified()).await.unwrap();
        handle.stop(false).await;
        serving.await.unwrap().unwrap();
    }
}
