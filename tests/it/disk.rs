//! A real disk that is full, and a record that went bad.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use confluo_client::yrs::{Map, ReadTxn, WriteTxn};
use confluo_protocol::{CloseCode, Seq};
use confluo_store::{Batch, DocumentStore, Engine, MemoryStore, keys};
use confluo_store_sled::SledConfig;

use crate::harness::{Server, add, items, items_of, name, quick, set, soon, until, wait_for_item};

/// What is not on the disk by then will not be.
const FULL_FOR_GOOD: Duration = Duration::from_secs(5);

/// A small disk; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(folder.path()).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "this test mounts a tmpfs: run it as root, or in `unshare --user --map-root-user --mount cargo test …`"
        );
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all space that is left, and what others give back, until what it returns is dropped.
    fn keep_full(&self) -> Ballast {
        let path = self.path().join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        let is_needed = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&is_needed);
        let thread = std::thread::spawn(move || {
            let mut chunk = 1 << 20;
            while goes_on.load(Ordering::Relaxed) {
                match file.write(&vec![1; chunk]) {
                    Ok(written) if written > 0 => {}
                    _ if chunk > 1 => chunk /= 2,
                    _ => {
                        chunk = 1 << 16;
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        });
        Ballast { path, is_needed, thread: Some(thread) }
    }
}

/// What fills a disk. Dropped, it makes room.
struct Ballast {
    path: PathBuf,
    is_needed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Ballast {
    fn drop(&mut self) {
        self.is_needed.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        fs::remove_file(&self.path).ok();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the store may still be open when the test fails.
        Command::new("umount").arg("-l").arg(self.path()).status().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sy17_4503_a_full_disk_is_told_and_with_space_again_the_edits_come_back() {
    let disk = SmallDisk::mount();
    let store = confluo_store_sled::open(SledConfig::new(disk.path().join("data"))).unwrap();
    let server = Server::start(Arc::new(store), quick()).await;
    let (writer, reader) = (server.synced("notes").await, server.synced("notes").await);
    add(&writer, "before").await;
    wait_for_item(&reader, "before").await;
    let ballast = disk.keep_full();
    // The store's files have some room inside, and it may give some back when it is reopened: write until it stays full.
    let mut written = vec!["before".to_owned()];
    let metrics = server.metrics();
    loop {
        assert!(written.len() < 1_000, "the disk is never full");
        let item = format!("{:04} {}", written.len(), noise(written.len() as u64, 100_000));
        add(&writer, item.clone()).await;
        written.push(item);
        if tokio::time::timeout(FULL_FOR_GOOD, writer.wait_on_disk()).await.is_err() {
            break;
        }
    }
    assert!(metrics.closed_with(CloseCode::StorageUnavailable).get() > 0);
    until("both are told", || metrics.closed_with(CloseCode::StorageUnavailable).get() >= 2).await;
    let reason = server.ready_answers(503).await;
    assert!(
        reason.contains("\"disk-full\"") && reason.contains("free some space"),
        "the operator is told what to do: {reason}"
    );
    assert!(!items(&reader).await.contains(written.last().unwrap()));

    drop(ballast);
    server.ready_answers(200).await;
    soon(writer.wait_on_disk()).await.unwrap();
    let all = written.len();
    soon(reader.wait_until(move |txn| items_of(txn).len() == all)).await.unwrap();
    assert_eq!(items(&reader).await, written.into_iter().collect());
    server.stop().await;
}

/// Text that does not compress.
fn noise(seed: u64, characters: usize) -> String {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..characters)
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            char::from(b'!' + (random % 90) as u8)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_went_bad_is_set_aside_and_the_rest_opens_and_syncs() {
    let store = Arc::new(MemoryStore::new());
    let server = Server::start(store.clone(), quick()).await;
    // Each by a client of its own, so that none needs another.
    for item in ["first", "second", "third"] {
        let client = server.synced("notes").await;
        client
            .edit(move |txn| {
                txn.get_or_insert_map("fields").insert(txn, item, true);
            })
            .await
            .unwrap();
        soon(client.wait_on_disk()).await.unwrap();
        client.close().await;
    }
    server.is_empty().await;
    let second = keys::chunk(&keys::record(keys::DocumentNumber(1), Seq(2)), 0);
    let mut value = store.engine().get(&second).unwrap().unwrap();
    let middle = value.len() / 2;
    value[middle] ^= 1;
    let mut batch = Batch::default();
    batch.put(second, value);
    store.engine().commit(batch).unwrap();

    let reader = server.synced("notes").await;
    let fields: BTreeSet<String> = reader
        .read(|txn| {
            let fields = txn.get_map("fields").unwrap();
            fields.keys(txn).map(str::to_owned).collect()
        })
        .await
        .unwrap();
    assert_eq!(fields, set(&["first", "third"]));
    add(&reader, "it goes on").await;
    soon(reader.wait_on_disk()).await.unwrap();
    reader.close().await;
    server.is_empty().await;
    let stored = store.load(&name("notes")).unwrap().unwrap();
    assert_eq!((stored.head, stored.set_aside.len()), (Seq(4), 1), "it is still there for repair, and reported");
    let again = server.synced("notes").await;
    wait_for_item(&again, "it goes on").await;
    server.stop().await;
}
