//! A bucket behind HTTP on this host, for tests that need a network.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

mod api;
mod http;

pub use http::HttpRequest;
use http::{HttpReply, read_request, write_reply};

/// A server of buckets as S3 and Google Cloud Storage speak it in XML, on a port of this host: whole objects and ranges, creates
/// that keep what is there, uploads in parts, listings, deletes. It checks no signature.
///
/// A `GET` is answered without credentials too, so `http://` reads what `s3://` wrote. All is in memory and gone with the server.
///
/// ```
/// let server = kapok_testing::BucketServer::start("films").unwrap();
/// assert!(server.url().starts_with("http://127.0.0.1:"));
/// assert_eq!(server.requests().len(), 0);
/// ```
#[derive(Debug)]
pub struct BucketServer {
    address: SocketAddr,
    state: Arc<State>,
}

/// What a test answers in the server's place: `None` leaves the request to the server. A web page is sent as one.
pub type Answer = Box<dyn Fn(&HttpRequest) -> Option<(u16, String)> + Send>;

pub(crate) struct State {
    buckets: Mutex<BTreeSet<String>>,
    objects: Mutex<BTreeMap<String, api::Object>>,
    uploads: Mutex<BTreeMap<String, BTreeMap<u32, Vec<u8>>>>,
    seen: Mutex<Vec<String>>,
    answer: Mutex<Option<Answer>>,
    ends: AtomicBool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl BucketServer {
    /// Starts a server with one empty bucket.
    ///
    /// # Errors
    /// Those of the system, if no port can be listened on.
    pub fn start(bucket: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            buckets: Mutex::new(BTreeSet::from([bucket.to_owned()])),
            objects: Mutex::default(),
            uploads: Mutex::default(),
            seen: Mutex::default(),
            answer: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if shared.ends.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&connection, &shared));
            }
        });
        Ok(Self { address, state })
    }

    /// The server's URL, without a bucket.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far: method, path, and query if there is one, in the order of their ends.
    pub fn requests(&self) -> Vec<String> {
        locked(&self.state.seen).clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        locked(&self.state.seen).clear();
    }

    /// Asks this before each request is served. `None`: serve all.
    pub fn set_answer(&self, answer: Option<Answer>) {
        *locked(&self.state.answer) = answer;
    }

    /// Stops to accept connections, and closes those there are at their next request.
    pub fn stop(&self) {
        self.state.ends.store(true, Ordering::Relaxed);
        // Wakes the one who listens.
        _ = TcpStream::connect(self.address);
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the requests of a connection, until either side ends it.
fn serve(connection: &TcpStream, state: &State) {
    let mut reader = BufReader::new(connection);
    while let Ok(Some(request)) = read_request(&mut reader) {
        if state.ends.load(Ordering::Relaxed) {
            return;
        }
        let canned = locked(&state.answer).as_ref().and_then(|answer| answer(&request));
        let reply = match canned {
            Some((status, body)) if body.starts_with("<!DOCTYPE html>") => {
                HttpReply::new(status).with("content-type", "text/html").with_body(body.into_bytes())
            }
            Some((status, body)) => HttpReply::new(status).with_body(body.into_bytes()),
            None => state.reply(&request),
        };
        locked(&state.seen).push(request.line());
        let mut writer: &TcpStream = connection;
        if write_reply(&mut writer, &request, &reply).and_then(|()| writer.flush()).is_err() {
            return;
        }
    }
}
