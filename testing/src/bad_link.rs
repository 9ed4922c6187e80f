//! A TCP proxy that treats what passes through it badly.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kapok_blobstore::clock;

/// What a [`BadLink`] does to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Harm {
    /// Nothing.
    #[default]
    None,
    /// Each piece of a reply comes this much later.
    Delay(Duration),
    /// A reply ends, with its connection, after so many bytes.
    CutAfter(u64),
    /// The byte of a reply after so many others is another one.
    CorruptAfter(u64),
    /// An upload ends, with its connection, after so many bytes.
    CutUploadAfter(u64),
    /// The byte of an upload after so many others is another one.
    CorruptUploadAfter(u64),
    /// No byte of a reply comes, and the connection stays open.
    Silence,
    /// No connection is served: it is closed at once.
    Refuse,
    /// All connections together carry so many bytes in a second, each way.
    BytesPerSecond(u64),
}

/// A proxy on a port of this host, before another server.
#[derive(Debug)]
pub struct BadLink {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    behind: SocketAddr,
    harm: Mutex<Harm>,
    ends: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    /// When the next byte may go, where they are rationed: of uploads, of replies.
    next: [Mutex<Instant>; 2],
}

impl BadLink {
    /// Starts a proxy before a server. It does no harm yet.
    ///
    /// # Errors
    /// Those of the system, if no port can be listened on.
    pub fn before(behind: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let next = [(); 2].map(|()| Mutex::new(clock::instant()));
        let state = Arc::new(State {
            behind,
            harm: Mutex::default(),
            ends: AtomicBool::new(false),
            open: Mutex::default(),
            next,
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if shared.ends.load(Ordering::Relaxed) {
                    return;
                }
                shared.connect(&near);
            }
        });
        Ok(Self { address, state })
    }

    /// The proxy's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets what is done to connections, and closes those that are open, so that it is done to all.
    pub fn set(&self, harm: Harm) {
        *self.state.harm.lock().unwrap_or_else(PoisonError::into_inner) = harm;
        for connection in self.state.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for BadLink {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn connect(self: &Arc<Self>, near: &TcpStream) {
        let harm = *self.harm.lock().unwrap_or_else(PoisonError::into_inner);
        let far = TcpStream::connect(self.behind);
        let (Ok(far), true) = (far, harm != Harm::Refuse) else {
            _ = near.shutdown(Shutdown::Both);
            return;
        };
        if let Ok(near) = near.try_clone() {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).push(near);
        }
        for is_reply in [false, true] {
            let (Ok(near), Ok(far)) = (near.try_clone(), far.try_clone()) else { return };
            let state = Arc::clone(self);
            thread::spawn(move || {
                let (from, to) = if is_reply { (&far, &near) } else { (&near, &far) };
                if state.carry(from, to, harm, is_reply).is_err() || harm != Harm::Silence {
                    _ = near.shutdown(Shutdown::Both);
                    _ = far.shutdown(Shutdown::Both);
                }
            });
        }
    }

    /// Carries bytes one way until either side ends.
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream, harm: Harm, is_reply: bool) -> io::Result<()> {
        let mut piece = vec![0; 32 << 10];
        let mut carried = 0;
        loop {
            let len = from.read(&mut piece)?;
            if len == 0 {
                return Ok(());
            }
            let mut len = len;
            match harm {
                Harm::Delay(time) if is_reply => thread::sleep(time),
                Harm::Silence if is_reply => continue,
                Harm::CutAfter(bytes) if is_reply => len = left(bytes, carried, len),
                Harm::CutUploadAfter(bytes) if !is_reply => len = left(bytes, carried, len),
                Harm::CorruptAfter(bytes) if is_reply => corrupt(&mut piece[..len], bytes, carried),
                Harm::CorruptUploadAfter(bytes) if !is_reply => corrupt(&mut piece[..len], bytes, carried),
                Harm::BytesPerSecond(rate) => self.ration(rate, len, is_reply),
                _ => {}
            }
            to.write_all(&piece[..len])?;
            carried += len as u64;
            let cut = match harm {
                Harm::CutAfter(bytes) if is_reply => carried >= bytes,
                Harm::CutUploadAfter(bytes) if !is_reply => carried >= bytes,
                _ => false,
            };
            if cut {
                return Ok(());
            }
        }
    }

    /// Waits until this many bytes may go.
    fn ration(&self, rate: u64, len: usize, is_reply: bool) {
        let wait = {
            let mut next = self.next[usize::from(is_reply)].lock().unwrap_or_else(PoisonError::into_inner);
            let now = clock::instant();
            let start = (*next).max(now);
            *next = start + Duration::from_nanos(len as u64 * 1_000_000_000 / rate.max(1));
            start - now
        };
        thread::sleep(wait);
    }
}

fn left(bytes: u64, carried: u64, len: usize) -> usize {
    usize::try_from(bytes.saturating_sub(carried)).map_or(len, |left| left.min(len))
}

/// Changes the byte after so many others, if it is among these, before which others were carried.
fn corrupt(piece: &mut [u8], bytes: u64, carried: u64) {
    let at = bytes.checked_sub(carried).and_then(|at| usize::try_from(at).ok());
    if let Some(byte) = at.and_then(|at| piece.get_mut(at)) {
        *byte ^= 1;
    }
}
