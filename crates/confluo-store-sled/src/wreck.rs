//! What is left of a log that sled does not open, read message by message.
//!
//! 1. Every message is noted that can be made out, in whichever segment ([`log`], [`segment`]): also those that were replaced,
//!    those with a wrong checksum, and those that sled would not come to.
//! 2. Where one bit of a message is flipped, its checksum tells which ([`repair`]).
//! 3. The messages of each page are applied in the order in which they were written ([`content`]), as sled does when it opens.
//!    What a page then holds is current, unless a message of it is damaged, or lies where sled would not come to it.
//!
//! A salvage so takes 32 bytes of memory for each message in the file, replaced ones as well, until all pages are put together, and
//! what [`confluo_store::wreck`] takes for each key.
//!
//! sled stores keys without what all keys of their page begin with. Where the message that tells it is lost, the checksum of
//! the value finds it among those of other messages.

mod content;
mod log;
mod repair;
mod segment;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io,
    ops::Range,
    path::Path,
};

use confluo_store::{
    EngineError, Sink, StoreError, Wreck, WreckFile, WreckStore,
    wreck::{Seal, look_at_seal},
};

use content::{Content, Node};
use log::{Kind, Message, Standing};

use crate::open::SEGMENT_BYTES;

/// So many beginnings of keys are tried for a value whose page is lost.
const MOST_PREFIXES: usize = 256;
/// Of two values of one key, the one that sled would come to is worth more, however old it is. No order is as high.
const IN_CHAIN: u64 = 1 << 62;

/// Opens what is left of the store in a folder, to be read only.
pub fn open_wreck(dir: &Path) -> Result<WreckStore, StoreError> {
    let file = File::open(dir.join("db")).map_err(EngineError::Io)?;
    // Its lock is sled's. It is held as long as the wreck is read.
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(EngineError::Locked(dir.to_owned()).into()),
        Err(TryLockError::Error(error)) => return Err(EngineError::Io(error).into()),
        Ok(()) => {}
    }
    Wreck::read("sled", dir, file, |file, sink| scrape(file, sink))?.into_store()
}

/// Whether sled, when it opens the log in a folder, would cut off what was on disk for sure.
pub(crate) fn would_be_cut(log: File, dir: &Path) -> io::Result<bool> {
    let from = first_segment_read(dir)?;
    Ok(log::read(&WreckFile::new(log)?, Some(from)).would_be_cut())
}

/// How many segments of the log in a folder sled reads when it opens it.
pub(crate) fn count_segments_read(log: File, dir: &Path) -> io::Result<usize> {
    let from = first_segment_read(dir)?;
    Ok(log::segment_numbers(&WreckFile::new(log)?).filter(|number| *number >= from).count())
}

/// It reads from the segment on of which its snapshot tells.
fn first_segment_read(dir: &Path) -> io::Result<u64> {
    let places = fs::read_dir(dir)?.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        u64::from_str_radix(name.strip_prefix("snap.")?, 16).ok()
    });
    Ok(places.max().map_or(0, |place| place / SEGMENT_BYTES as u64))
}

/// Hands over every pair that can be made out.
fn scrape(file: &WreckFile, sink: &mut dyn Sink) {
    let log::Log { mut messages, lacks_some, .. } = log::read(file, None);
    if lacks_some {
        sink.lacks_some();
    }
    let mut prefixes = BTreeSet::new();
    for message in messages.iter().filter(|message| message.kind == Kind::Node) {
        if prefixes.len() < MOST_PREFIXES
            && let Some(Content::Leaf(node)) = content::read(message.kind, &message.read(file))
        {
            prefixes.insert(node.prefix);
        }
    }
    messages.sort_by_key(|message| (message.page, message.order));
    for page in messages.chunk_by(|message, next| message.page == next.page) {
        Page { file, sink, prefixes: &prefixes, prefix: None, values: BTreeMap::new(), is_doubtful: false }.read(page);
    }
}

/// A page of sled's, as it is put together.
struct Page<'a> {
    file: &'a WreckFile,
    sink: &'a mut dyn Sink,
    prefixes: &'a BTreeSet<Vec<u8>>,
    /// What all its keys begin with, if that is known.
    prefix: Option<Vec<u8>>,
    /// Where in the file the value of each key is.
    values: BTreeMap<Vec<u8>, Range<u64>>,
    is_doubtful: bool,
}

impl Page<'_> {
    fn read(mut self, messages: &[Message]) {
        for message in messages {
            let bytes = message.read(self.file);
            let Some(content) = content::read(message.kind, &bytes) else {
                self.is_doubtful |= !message.is_intact && message.standing != Standing::Leftover;
                continue;
            };
            match message.standing {
                Standing::InChain if message.is_intact => self.apply(message, &bytes, content),
                Standing::Leftover => self.look_at(message, &bytes, content),
                // What follows may change what it leaves: then it has to be known what the page's keys begin with.
                Standing::BehindBreak if message.is_intact => {
                    self.apply(message, &bytes, content);
                    self.is_doubtful = true;
                }
                Standing::InChain | Standing::BehindBreak => {
                    self.look_at(message, &bytes, content);
                    self.is_doubtful = true;
                }
            }
        }
        if !self.is_doubtful {
            for (key, place) in &self.values {
                let value = self.file.read(place.start, (place.end - place.start) as usize);
                self.sink.is_current(key, &value);
            }
        }
    }

    fn apply(&mut self, message: &Message, bytes: &[u8], content: Content) {
        match content {
            Content::Leaf(node) => {
                self.values = self.take_node(message, bytes, &node).collect();
                self.prefix = Some(node.prefix);
                self.is_doubtful = false;
            }
            Content::Set { key, value } => {
                let Some(key) = self.find_key(&bytes[key], &bytes[value.clone()]) else { return };
                self.sink.found(&key, &bytes[value.clone()], message.place(value.start), order(message));
                self.values.insert(key, message.place(value.start)..message.place(value.end));
            }
            Content::Remove { key } => {
                if let Some(prefix) = &self.prefix {
                    self.values.remove(&[prefix, &bytes[key]].concat());
                }
            }
            Content::Nothing => {
                self.values.clear();
                self.prefix = None;
            }
            Content::Other => {}
        }
    }

    /// What the message holds is found, and is not what the page has.
    fn look_at(&mut self, message: &Message, bytes: &[u8], content: Content) {
        match content {
            Content::Leaf(node) => {
                let _ = self.take_node(message, bytes, &node).count();
            }
            Content::Set { key, value } => {
                if let Some(key) = self.find_key(&bytes[key], &bytes[value.clone()]) {
                    self.sink.found(&key, &bytes[value.clone()], message.place(value.start), order(message));
                }
            }
            Content::Remove { .. } | Content::Nothing | Content::Other => {}
        }
    }

    fn take_node(
        &mut self,
        message: &Message,
        bytes: &[u8],
        node: &Node,
    ) -> impl Iterator<Item = (Vec<u8>, Range<u64>)> {
        node.pairs.iter().map(|(key, value)| {
            let key = [&node.prefix, &bytes[key.clone()]].concat();
            let place = message.place(value.start)..message.place(value.end);
            self.sink.found(&key, &bytes[value.clone()], place.start, order(message));
            (key, place)
        })
    }

    /// The whole key of a value: the one that the value was sealed for, or the one that the page tells.
    fn find_key(&self, rest: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let of_page = self.prefix.as_ref().map(|prefix| [prefix, rest].concat());
        if of_page.as_ref().is_some_and(|key| look_at_seal(key, value).is_some_and(|seal| seal > Seal::Broken)) {
            return of_page;
        }
        let others = self.prefixes.iter().map(|prefix| [prefix, rest].concat());
        others.into_iter().find(|key| look_at_seal(key, value) == Some(Seal::Sound)).or(of_page)
    }
}

/// By which of two values in two messages the better one is known.
fn order(message: &Message) -> u64 {
    if message.standing == Standing::InChain { IN_CHAIN | message.order } else { message.order }
}
