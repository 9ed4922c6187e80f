//! Who lets go the blobs that nobody reads any more?
//!
//! To unmap a large file takes milliseconds. Without this module the last reader of an old view would spend them, in the
//! middle of a request. So views hold leased blobs: the last holder hands the blob to one thread of this process, which
//! lets it go. The queue holds only blobs that nobody reads, so it is as short as the thread is quick.

use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

use bytes::Bytes;
use kapok_core::manifest::Blob;

/// The way to the thread; `None` where the system has none to give, so that blobs are let go where they are.
static REAPER: LazyLock<Option<Sender<Bytes>>> = LazyLock::new(|| {
    let (sender, unread) = mpsc::channel::<Bytes>();
    let reap = move || unread.into_iter().for_each(drop);
    thread::Builder::new().name("kapok-reaper".to_owned()).spawn(reap).ok().map(|_| sender)
});

/// Bytes that are let go elsewhere.
struct Leased(Bytes);

impl AsRef<[u8]> for Leased {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        if let Some(reaper) = &*REAPER {
            // Never waits. It fails where the thread is gone; then the bytes go here.
            _ = reaper.send(bytes);
        }
    }
}

/// The same blob, the same bytes at the same address; whoever holds them last does not pay for letting them go.
pub(crate) fn leased(blob: Blob) -> Blob {
    Blob { name: blob.name, bytes: Bytes::from_owner(Leased(blob.bytes)) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    struct Told(Vec<u8>, Sender<Option<String>>);

    impl AsRef<[u8]> for Told {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Told {
        fn drop(&mut self) {
            _ = self.1.send(thread::current().name().map(ToOwned::to_owned));
        }
    }

    #[test]
    fn each_blob_is_let_go_once_by_the_thread_for_it() {
        let (told, heard) = mpsc::channel();
        let before: Vec<_> = (0..100).map(|_| Bytes::from_owner(Told(vec![1; 64], told.clone()))).collect();
        let addresses: Vec<_> = before.iter().map(|bytes| bytes.as_ptr()).collect();
        let blobs: Vec<_> = before.into_iter().map(|bytes| leased(Blob { name: Arc::from("rows"), bytes })).collect();
        assert!(blobs.iter().zip(&addresses).all(|(blob, address)| blob.bytes.as_ptr() == *address), "not copied");
        let clones = blobs.clone();
        drop(blobs);
        assert!(heard.try_recv().is_err(), "there is another holder");
        let readers: Vec<_> = clones.into_iter().map(|blob| thread::spawn(move || drop(blob))).collect();
        for reader in readers {
            reader.join().expect("no panic");
        }
        for _ in 0..100 {
            let name = heard.recv_timeout(Duration::from_secs(10)).expect("let go");
            assert_eq!(name.as_deref(), Some("kapok-reaper"));
        }
        drop(told);
        assert!(heard.recv_timeout(Duration::from_secs(10)).is_err(), "each once");
    }
}
