//! The journal's two files, and the frames in them.
//!
//! ```text
//! frame   = version (1 byte) · CRC-32 of all that follows and the version (4) · number (8) · length of changes (4) · changes
//! changes = for each: key (lib0 byte array) · 0 | 1 and value (lib0 byte array)
//! ```
//! Numbers are little-endian. A file's frames are numbered one after the other from any number on; its end is where the next
//! number does not follow, or the checksum fails: what is there was written before, or not wholly, and then not acknowledged.
//! Only where a later frame lies behind such a place, something that was acknowledged is damaged.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bytes::{Buf, Bytes};
use confluo_protocol::{DecodeError, Reader, Writer};

use crate::{Batch, EngineError, WreckFile, engine::is_unreadable};

/// Written in full when a file is made, so that a sync has no metadata to write: it then takes half as long.
const FILE_BYTES: u64 = 2 << 20;
/// And in pages: what is written at once, Linux keeps as one folio, and walks through at every small write into it.
const PAGE: [u8; 4096] = [0; 4096];
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 17;
/// More frames than files hold.
const MOST_LATER: u64 = 1 << 32;
/// Bytes may be laid out so that at each of them a frame seems to begin: so many times as long as a file is what checksums are
/// computed of in the search for one.
const MOST_TIMES: usize = 64;
pub(super) const NAMES: [&str; 2] = ["journal-0", "journal-1"];

/// One commit.
pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) changes: Batch,
    /// The frame before it is there, and damaged.
    pub(super) follows_damage: bool,
    /// It is the first of its file.
    pub(super) begins_file: bool,
}

/// What is in the files.
#[derive(Default)]
pub(super) struct Frames {
    /// Those that are intact, in the order of their numbers, if they are wanted.
    pub(super) intact: Vec<Frame>,
    /// Whether they are.
    pub(super) keeps: bool,
    /// Some that were acknowledged are not among them.
    pub(super) are_damaged: bool,
    /// Behind some damage it cannot be told where frames begin.
    pub(super) are_cut_short: bool,
    /// One that is what was written, and holds no changes that this build reads.
    pub(super) unreadable: Option<u64>,
}

/// Both files; one is written to. The first is made when it is needed, and so is the other one if nobody has made it before.
pub(super) struct JournalFiles {
    dir: PathBuf,
    files: [Option<File>; 2],
    active: usize,
    written: usize,
    last: u64,
}

impl JournalFiles {
    /// Throws away what is in the files, which the engine has. The next frame follows number `last`.
    pub(super) fn begin(dir: &Path, last: u64, syncs: bool) -> io::Result<Self> {
        remove(dir)?;
        if syncs {
            File::open(dir)?.sync_all()?;
        }
        Ok(Self { dir: dir.to_owned(), files: [None, None], active: 0, written: 0, last })
    }

    /// Writes a frame. With `syncs` it is on disk when this returns. After an error nothing more may be appended.
    pub(super) fn append(&mut self, changes: &Batch, syncs: bool) -> io::Result<()> {
        let frame = encode(self.last + 1, changes)?;
        let file = &mut self.files[self.active];
        let file = if let Some(file) = file {
            file
        } else {
            unless_missing(fs::remove_file(self.dir.join(NAMES[self.active])))?;
            file.insert(make(&self.dir, NAMES[self.active], syncs)?)
        };
        file.write_all(&frame)?;
        if syncs {
            file.sync_data()?;
        }
        self.last += 1;
        self.written += frame.len();
        Ok(())
    }

    /// Goes on in the other file, which `spare` is the first time. All that is in it is in the engine.
    pub(super) fn begin_other(&mut self, spare: Option<File>) -> io::Result<()> {
        self.active = 1 - self.active;
        self.written = 0;
        let file = &mut self.files[self.active];
        *file = file.take().or(spare);
        let Some(file) = file else { return Ok(()) };
        if file.metadata()?.len() > 2 * FILE_BYTES {
            // One large commit should not keep its room for ever.
            file.set_len(FILE_BYTES)?;
        }
        file.seek(SeekFrom::Start(0)).map(drop)
    }

    /// Whether there is any file yet.
    pub(super) fn are_begun(&self) -> bool {
        self.files.iter().any(Option::is_some)
    }

    /// Bytes in the active file.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// The number of the last frame.
    pub(super) fn last(&self) -> u64 {
        self.last
    }
}

/// The frames of both files with numbers beyond `taken`.
pub(super) fn read_frames(dir: &Path, taken: u64) -> Result<Frames, EngineError> {
    let mut frames = Frames { keeps: true, ..Frames::default() };
    for path in paths(dir) {
        let (bytes, is_whole) = match read_what_is_given(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read.map_err(EngineError::Io)?,
        };
        // What the disk does not give may have been the last frames.
        frames.are_damaged |= !is_whole;
        frames.read(bytes.into(), taken)?;
    }
    if let Some(number) = frames.unreadable {
        return Err(EngineError::Damaged(format!("frame {number} of the journal is no frame")));
    }
    frames.intact.retain(|frame| frame.number > taken);
    frames.intact.sort_unstable_by_key(|frame| frame.number);
    Ok(frames)
}

/// What is in a file, with zeros for what the disk does not give at the third attempt either, and whether it gives all.
pub(super) fn read_what_is_given(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    const ATTEMPTS: u32 = 3;
    const PAUSE: Duration = Duration::from_secs(1);
    for attempt in 1..=ATTEMPTS {
        match fs::read(path) {
            Err(error) if is_unreadable(&error) && attempt < ATTEMPTS => thread::sleep(PAUSE),
            Err(error) if is_unreadable(&error) => break,
            read => return Ok((read?, true)),
        }
    }
    Ok((WreckFile::open(path)?.read_all(), false))
}

/// Removes the files: the engine has what is in them.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    for path in paths(dir) {
        unless_missing(fs::remove_file(path))?;
    }
    Ok(())
}

fn unless_missing(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// What the files take.
pub(super) fn disk_bytes(dir: &Path) -> u64 {
    paths(dir).filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum()
}

pub(super) fn paths(dir: &Path) -> impl Iterator<Item = PathBuf> {
    NAMES.into_iter().map(|name| dir.join(name))
}

/// The file that [`JournalFiles`] go on in when the first is full. An error where it is there already.
pub(super) fn make_spare(dir: &Path, syncs: bool) -> io::Result<File> {
    make(dir, NAMES[1], syncs)
}

fn make(dir: &Path, name: &str, syncs: bool) -> io::Result<File> {
    let path = dir.join(name);
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    // On a full disk a part of it would keep from others what room there is.
    fill(file, dir, syncs).inspect_err(|_| drop(fs::remove_file(&path)))
}

fn fill(mut file: File, dir: &Path, syncs: bool) -> io::Result<File> {
    for _ in 0..FILE_BYTES / PAGE.len() as u64 {
        file.write_all(&PAGE)?;
    }
    if syncs {
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn encode(number: u64, changes: &Batch) -> io::Result<Vec<u8>> {
    let mut payload = Writer::default();
    for (key, value) in changes.changes_from(&[], &[]) {
        payload.write_var_bytes(key);
        match value {
            Some(value) => payload.write_raw(&[1]).write_var_bytes(value),
            None => payload.write_raw(&[0]),
        };
    }
    let payload = payload.finish();
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.push(VERSION);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&number.to_le_bytes());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&payload);
    let checksum = checksum(VERSION, &frame[5..]);
    frame[1..5].copy_from_slice(&checksum.to_le_bytes());
    Ok(frame)
}

impl Frames {
    /// Adds those of a file. Damage in frames up to `taken` does not count, nor any behind which there is no frame beyond it.
    pub(super) fn read(&mut self, mut bytes: Bytes, taken: u64) -> Result<(), EngineError> {
        let (mut last, mut follows_damage) = (None, false);
        let mut left = MOST_TIMES * bytes.len();
        loop {
            let Some((version, number, payload)) = split_frame(&mut bytes) else {
                let hit = last.map_or(taken, |last: u64| last.saturating_add(1));
                let next = match find_later_frame(&bytes, hit, &mut left) {
                    Behind::Nothing => return Ok(()),
                    Behind::Frame(place) => Some(place).filter(|place| Some(*place) == claimed_end(&bytes)),
                    Behind::Unknown => None,
                };
                // Where the bad frame says that it ends the next one is what was written there. What is found anywhere else may
                // be part of a document, put there by somebody who would like it to be read as a frame.
                let Some(place) = next else {
                    if !matches!(find_later_frame(&bytes, hit.max(taken), &mut left), Behind::Nothing) {
                        self.are_damaged = true;
                        self.are_cut_short = true;
                    }
                    return Ok(());
                };
                self.are_damaged |= last.is_none() || hit > taken;
                bytes.advance(place);
                last = last.map(|last| last.saturating_add(1));
                follows_damage = true;
                continue;
            };
            if version > VERSION {
                let version = u32::from(version);
                return Err(EngineError::Newer { what: "the journal", found: version, supported: u32::from(VERSION) });
            }
            if last.is_some_and(|last| Some(number) != last.checked_add(1)) {
                return Ok(());
            }
            let follows_damage = std::mem::take(&mut follows_damage);
            match self.keeps.then(|| decode_changes(&payload)) {
                Some(Ok(changes)) => {
                    self.intact.push(Frame { number, changes, follows_damage, begins_file: last.is_none() });
                }
                Some(Err(_)) => self.unreadable = self.unreadable.max(Some(number)),
                None => {}
            }
            last = Some(number);
        }
    }
}

/// What is behind a place at which no intact frame begins.
enum Behind {
    /// No intact frame with a number beyond the one that was asked for.
    Nothing,
    /// There it is.
    Frame(usize),
    /// To find out takes too long.
    Unknown,
}

/// Looks for a frame with a number beyond `number`. Checksums are computed of at most `left` bytes.
fn find_later_frame(bytes: &Bytes, number: u64, left: &mut usize) -> Behind {
    let mut place = 1;
    while let Some(header) = bytes.get(place..place + HEADER_BYTES) {
        // Most of a file was never written.
        if bytes.get(place..place + PAGE.len()) == Some(&PAGE) {
            place += PAGE.len();
            continue;
        }
        // Cheap to see, and true of hardly any place that is none.
        let found = u64::from_le_bytes(header[5..13].try_into().unwrap_or_default());
        let is_likely = (1..=VERSION).contains(&header[0]) && (1..MOST_LATER).contains(&found.saturating_sub(number));
        if is_likely {
            let mut frame = bytes.slice(place..);
            // Of one that would end behind the file none is computed.
            let cost = claimed_end(&frame).filter(|end| *end <= frame.len()).unwrap_or(0);
            let Some(rest) = left.checked_sub(cost) else { return Behind::Unknown };
            *left = rest;
            if split_frame(&mut frame).is_some() {
                return Behind::Frame(place);
            }
        }
        place += 1;
    }
    Behind::Nothing
}

/// Where the frame at the beginning ends, if its length is not what is damaged.
fn claimed_end(bytes: &Bytes) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(13..HEADER_BYTES)?.try_into().ok()?);
    HEADER_BYTES.checked_add(length as usize)
}

/// Takes the next intact frame off: its version, number and changes.
fn split_frame(bytes: &mut Bytes) -> Option<(u8, u64, Bytes)> {
    let header = bytes.get(..HEADER_BYTES)?;
    let version = header[0];
    let expected = u32::from_le_bytes(header[1..5].try_into().ok()?);
    let number = u64::from_le_bytes(header[5..13].try_into().ok()?);
    let length = u32::from_le_bytes(header[13..].try_into().ok()?) as usize;
    let end = HEADER_BYTES.checked_add(length)?;
    if version == 0 || checksum(version, bytes.get(5..end)?) != expected {
        return None;
    }
    let mut frame = bytes.split_to(end);
    frame.advance(HEADER_BYTES);
    Some((version, number, frame))
}

fn decode_changes(payload: &Bytes) -> Result<Batch, DecodeError> {
    let mut reader = Reader::new(payload);
    let mut changes = Batch::default();
    while !reader.is_empty() {
        let key = reader.read_var_bytes()?.to_vec();
        if reader.read_u8()? == 0 {
            changes.remove(key);
        } else {
            changes.put(key, reader.read_var_bytes()?.to_vec());
        }
    }
    Ok(changes)
}

fn checksum(version: u8, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(rest);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_at_which_frames_seem_to_begin_everywhere_are_given_up_and_told_of() {
        let header = [&[VERSION, 1, 2, 3, 4][..], &5_u64.to_le_bytes(), &(1_u32 << 20).to_le_bytes()].concat();
        let bytes: Bytes = header.into_iter().cycle().take(FILE_BYTES as usize).collect();
        let mut left = MOST_TIMES * bytes.len();
        assert!(matches!(find_later_frame(&bytes, 4, &mut left), Behind::Unknown));
        let mut frames = Frames::default();
        frames.read(bytes, 4).unwrap();
        assert!(frames.are_damaged && frames.are_cut_short);
    }
}
