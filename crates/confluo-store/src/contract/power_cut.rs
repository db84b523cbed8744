//! Cuts of power: what was acknowledged must be on the disk itself, not only on its way there.
//!
//! A store works on an ext4 in an image file, mounted by a loop device. The image holds exactly what reached the block
//! device; a copy of it is what a disk holds after its power was cut. The copy is mounted elsewhere (ext4 replays its
//! journal), the store opened in it, and compared with a model, document by document: it must be as after the last
//! acknowledged step, or as after the step that was under way.
//!
//! The writer is a process of its own that makes one step per line on its standard input and answers when the step is
//! acknowledged. Half of the cuts happen right at an acknowledgement, half in the middle of a step, where the writer is
//! stopped by a signal. A copy during which the device was written is made again.
//!
//! This models a disk that keeps all it was given, in order; one that lies about its cache is not modelled.

mod steps;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use steps::{DOCUMENTS, Random, Steps};

use super::{name, scratch};
use crate::{DocumentStore, MemoryStore, StoreError};

const IMAGE_BYTES: u64 = 192 * 1024 * 1024;
const CUTS_PER_IMAGE: usize = 8;

/// How to open the store under test in a folder; `syncs` is false for the control, which must lose something.
pub type Open = fn(dir: &Path, syncs: bool) -> Result<Arc<dyn DocumentStore>, StoreError>;

/// What `cargo test --test power_cut -- --cuts N --seed S` runs: the `main` of a test without a harness.
pub fn main(open: Open) {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |flag: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == flag);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, |text| text.parse().expect("a number follows the flag"))
    };
    if let [_, role, dir, syncs, seed] = arguments.as_slice()
        && role == "writer"
    {
        return write_steps(open, Path::new(dir), syncs == "true", seed.parse().expect("the parent passes a number"));
    }
    let (cuts, seed) = (number("--cuts", 24) as usize, number("--seed", 1));
    let survived = run(open, true, cuts, seed);
    assert!(survived.losses.is_empty(), "acknowledged edits were lost:\n{}", survived.losses.join("\n"));
    let control = run(open, false, cuts.min(48), seed);
    assert!(
        !control.losses.is_empty(),
        "the control without syncs lost nothing in {} cuts: the test would not notice a missing sync",
        control.cuts
    );
    report(&format!(
        "power cut: {} cuts (in the middle of {:?}), nothing lost; the control without syncs lost something in {} of {}",
        survived.cuts,
        survived.in_the_middle,
        control.losses.len(),
        control.cuts
    ));
}

#[derive(Default)]
struct Outcome {
    cuts: usize,
    /// How many of them hit each kind of step in its middle; the others came right after an acknowledgement.
    in_the_middle: BTreeMap<&'static str, usize>,
    losses: Vec<String>,
}

fn run(open: Open, syncs: bool, cuts: usize, seed: u64) -> Outcome {
    let work = tempfile::Builder::new().prefix("confluo-power-cut").tempdir_in(scratch()).expect("a scratch folder");
    let mut outcome = Outcome::default();
    let mut image_seed = seed;
    while outcome.cuts < cuts {
        run_image(open, syncs, image_seed, work.path(), cuts.min(outcome.cuts + CUTS_PER_IMAGE), &mut outcome);
        image_seed += 1;
    }
    outcome
}

fn run_image(open: Open, syncs: bool, seed: u64, work: &Path, until: usize, outcome: &mut Outcome) {
    let mut random = Random(seed);
    let image = work.join("image");
    fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).expect("the image can be made");
    run_command("mkfs.ext4", &["-q", "-F", "-J", "size=4", &text(&image)]);
    let mounted = Mounted::new(&image, &work.join("mounted"));
    let mut writer = Writer::start(&mounted.at.join("data"), syncs, seed);
    let model = MemoryStore::new();
    let mut steps = Steps::new(seed);
    // By chance alone the first start of a store, which takes longer than any other step, would hardly be hit.
    let mut hits_first_start = seed.is_multiple_of(3);
    while outcome.cuts < until {
        for _ in 0..if hits_first_start { 0 } else { random.below(12) } {
            writer.send();
            writer.receive();
            steps.next().apply(&model, false);
        }
        let longest_micros = if hits_first_start { 40_000 } else { 4_000 };
        let is_under_way = std::mem::take(&mut hits_first_start) || random.below(2) == 0;
        let ahead = MemoryStore::new();
        if is_under_way {
            writer.send();
            thread::sleep(Duration::from_micros(random.below(longest_micros)));
            writer.signal("STOP");
            crate::copy_store(&model, &ahead).expect("both are in memory");
            let step = steps.clone().next();
            *outcome.in_the_middle.entry(step.kind()).or_default() += 1;
            step.apply(&ahead, false);
        }
        let copy = work.join("copy");
        mounted.copy_image(&image, &copy);
        if let Err(difference) = check(open, &copy, &work.join("after"), &model, is_under_way.then_some(&ahead)) {
            outcome.losses.push(format!("seed {seed}, step {}: {difference}", steps.made));
        }
        fs::remove_file(&copy).expect("the copy is ours");
        if is_under_way {
            writer.signal("CONT");
            writer.receive();
            steps.next().apply(&model, false);
        }
        outcome.cuts += 1;
    }
}

/// Opens what the cut left and compares it with the model before or after the step that was under way.
fn check(open: Open, image: &Path, at: &Path, before: &MemoryStore, after: Option<&MemoryStore>) -> Result<(), String> {
    let mounted = Mounted::new(image, at);
    let store = open(&mounted.at.join("data"), true).map_err(|error| format!("it does not open: {error}"))?;
    let findings = store.stats().findings;
    if !findings.is_empty() {
        return Err(format!("{findings:?}"));
    }
    let before = differences(&*store, before);
    match after.map(|after| differences(&*store, after)) {
        _ if before.is_empty() => Ok(()),
        Some(after) if after.is_empty() => Ok(()),
        _ => Err(before.join("; ")),
    }
}

fn differences(store: &dyn DocumentStore, model: &MemoryStore) -> Vec<String> {
    let mut found = Vec::new();
    for document in 0..DOCUMENTS {
        let document = name(&format!("document {document}"));
        let wanted = model.load(&document).expect("the model is in memory");
        match store.load(&document) {
            Ok(loaded) if loaded == wanted => {}
            Ok(loaded) => found.push(format!(
                "{document}: head {:?} in place of {:?}, set aside {:?}",
                loaded.as_ref().map(|loaded| loaded.head.0),
                wanted.as_ref().map(|wanted| wanted.head.0),
                loaded.as_ref().map(|loaded| &loaded.set_aside),
            )),
            Err(error) => found.push(format!("{document}: {error}")),
        }
    }
    found
}

/// The writer's side: a step for each line that comes in, a line out when it is acknowledged.
fn write_steps(open: Open, dir: &Path, syncs: bool, seed: u64) {
    let mut steps = Steps::new(seed);
    let mut store = None;
    for line in io::stdin().lines() {
        line.expect("the parent is there");
        let step = steps.next();
        let store = store.get_or_insert_with(|| open(dir, syncs).expect("the folder is ours"));
        // Reopening closes the files, which sled does with a sync: not in the control.
        step.apply(&**store, syncs);
        writeln!(io::stdout(), "on disk").expect("the parent is there");
    }
    // A process that loses power does not tidy up either.
    std::process::exit(0);
}

struct Writer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Writer {
    fn start(dir: &Path, syncs: bool, seed: u64) -> Self {
        let program = std::env::current_exe().expect("a test knows itself");
        let mut child = Command::new(program)
            .args(["writer", &text(dir), &syncs.to_string(), &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a test can start itself");
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, to, from: BufReader::new(from) }
    }

    fn send(&mut self) {
        self.to.write_all(b"next\n").expect("the writer reads");
    }

    fn receive(&mut self) {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("the writer answers");
        assert_eq!(line, "on disk\n", "the writer failed");
    }

    fn signal(&self, signal: &str) {
        run_command("kill", &["-s", signal, &self.child.id().to_string()]);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A mounted image; unmounted when dropped.
struct Mounted {
    at: PathBuf,
    device: String,
}

impl Mounted {
    fn new(image: &Path, at: &Path) -> Self {
        fs::create_dir_all(at).expect("a folder to mount on");
        let device = run_command("losetup", &["--find", "--show", &text(image)]).trim().to_owned();
        // Without its own rare commits, the journal holds what was synced and nothing more.
        run_command("mount", &["-t", "ext4", "-o", "commit=300", &device, &text(at)]);
        Self { at: at.to_owned(), device }
    }

    /// Copies the image as it is between two writes of the device.
    fn copy_image(&self, image: &Path, to: &Path) {
        for _ in 0..50 {
            let before = self.written();
            run_command("cp", &["--sparse=always", &text(image), &text(to)]);
            if self.written() == before {
                return;
            }
        }
        panic!("the device was never quiet for as long as a copy takes");
    }

    /// Writes finished, and requests in flight.
    fn written(&self) -> (String, String) {
        let device = self.device.trim_start_matches("/dev/");
        let stat = fs::read_to_string(format!("/sys/block/{device}/stat")).expect("a block device has statistics");
        let fields: Vec<_> = stat.split_whitespace().collect();
        (fields[4].to_owned(), fields[8].to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for (program, argument) in [("umount", text(&self.at)), ("losetup", format!("-d{}", self.device))] {
            Command::new(program).arg(argument).status().ok();
        }
    }
}

pub(super) fn run_command(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let complaint = match output {
        Ok(output) if output.status.success() => return String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "{program} {}: {complaint}\nthis test mounts file systems and so needs root, loop devices and e2fsprogs: \
         run `sudo -E cargo test`, in a container with `--privileged`",
        arguments.join(" ")
    );
}

fn text(path: &Path) -> String {
    path.to_str().expect("our own paths are UTF-8").to_owned()
}

fn report(line: &str) {
    writeln!(io::stdout(), "{line}").expect("a test can say how it went");
}
