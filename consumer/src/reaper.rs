//! Drops blobs that nobody reads any more, on a thread of its own.
//!
//! To unmap a large file takes milliseconds. Without this module the last reader of an old view would spend them, in the
//! middle of a request. So views hold leases of blobs: when the last holder drops its lease, the blob goes to one thread of
//! this process, which drops it.

use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

use bytes::Bytes;
use kapok_core::manifest::Blob;

/// Sends blobs to the thread; `None` if the system has no thread to give, so that blobs are dropped by their last holder.
static REAPER: LazyLock<Option<Sender<Bytes>>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel::<Bytes>();
    let reap = move || receiver.into_iter().for_each(drop);
    thread::Builder::new().name("kapok-reaper".to_owned()).spawn(reap).ok().map(|_| sender)
});

/// Bytes that the thread drops.
struct Lease(Bytes);

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        if let Some(reaper) = &*REAPER {
            // This never waits. If the thread is gone it fails, and the bytes are dropped here.
            _ = reaper.send(bytes);
        }
    }
}

/// Returns the same blob, at the same address, whose last holder does not drop it itself.
pub(crate) fn lease(blob: Blob) -> Blob {
    Blob { name: blob.name, bytes: Bytes::from_owner(Lease(blob.bytes)) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    /// Bytes that send the name of the thread that drops them.
    struct DropProbe(Vec<u8>, Sender<Option<String>>);

    impl AsRef<[u8]> for DropProbe {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for DropProbe {
        fn drop(&mut self) {
            _ = self.1.send(thread::current().name().map(ToOwned::to_owned));
        }
    }

    #[test]
    fn each_blob_is_dropped_once_by_the_thread_for_it() {
        let (sender, drops) = mpsc::channel();
        let before: Vec<_> = (0..100).map(|_| Bytes::from_owner(DropProbe(vec![1; 64], sender.clone()))).collect();
        let addresses: Vec<_> = before.iter().map(|bytes| bytes.as_ptr()).collect();
        let blobs: Vec<_> = before.into_iter().map(|bytes| lease(Blob { name: Arc::from("rows"), bytes })).collect();
        assert!(blobs.iter().zip(&addresses).all(|(blob, address)| blob.bytes.as_ptr() == *address), "not copied");
        let clones = blobs.clone();
        drop(blobs);
        assert!(drops.try_recv().is_err(), "there is another holder");
        let readers: Vec<_> = clones.into_iter().map(|blob| thread::spawn(move || drop(blob))).collect();
        for reader in readers {
            reader.join().expect("no panic");
        }
        for _ in 0..100 {
            let name = drops.recv_timeout(Duration::from_secs(10)).expect("dropped");
            assert_eq!(name.as_deref(), Some("kapok-reaper"));
        }
        drop(sender);
        assert!(drops.recv_timeout(Duration::from_secs(10)).is_err(), "each once");
    }
}
