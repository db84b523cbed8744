//! Cuts of power: what was acknowledged must be on the disk itself, not only on its way there.
//!
//! A store works on an ext4 in an image file, mounted by a loop device. The image holds exactly what reached the block
//! device; a copy of it is what a disk holds after its power was cut. The copy is mounted elsewhere (ext4 replays its
//! journal), the store opened in it, and compared with a model, document by document: it must be as after the last
//! acknowledged step, or as after the step that was under way.
//!
//! The writer is a process of its own that makes one step per line on its standard input and answers when the step is
//! acknowledged. Each kind of step is cut right after its acknowledgement, and in its middle, where the writer is stopped by a
//! signal before it has answered ([`plan`]). A copy during which the device was written is made again.
//!
//! This models a disk that keeps all it was given, in order; one that lies about its cache is not modelled.

mod plan;
mod steps;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use plan::{CUTS_PER_IMAGE, Cut, FEWEST_CUTS, Moment, Patience};
use rustix::process::{Pid, Signal, kill_process};
use steps::{DOCUMENTS, KINDS, Kind, Random, Steps};

use super::{name, scratch};
use crate::{DocumentStore, MemoryStore, StoreError};

const IMAGE_BYTES: u64 = 192 * 1024 * 1024;
/// So often a step may be over before its writer is stopped.
const MOST_TRIES: usize = 500;
/// In which an answer arrives that was on its way.
const ANSWERS_WITHIN: Duration = Duration::from_millis(20);

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
    let (cuts, seed) = (number("--cuts", FEWEST_CUTS as u64) as usize, number("--seed", 1));
    let survived = run(open, true, cuts, seed);
    assert!(survived.losses.is_empty(), "acknowledged edits were lost:\n{}", survived.losses.join("\n"));
    let of_each = KINDS.into_iter().flat_map(|kind| [(kind, Moment::Middle), (kind, Moment::After)]);
    for cut in of_each.filter(|_| cuts >= FEWEST_CUTS) {
        assert!(survived.cuts_of.contains_key(&cut), "no cut met {cut:?}: {:?}", survived.cuts_of);
    }
    let control = run(open, false, cuts.min(48), seed);
    assert!(
        !control.losses.is_empty(),
        "the control without syncs lost nothing in {} cuts: the test would not notice a missing sync",
        control.cuts
    );
    report(&format!(
        "power cut: {} cuts ({:?}), nothing lost; the control without syncs lost something in {} of {}",
        survived.cuts,
        survived.cuts_of,
        control.losses.len(),
        control.cuts
    ));
}

#[derive(Default)]
struct Outcome {
    cuts: usize,
    /// How many of them hit each kind of step, and when.
    cuts_of: BTreeMap<Cut, usize>,
    losses: Vec<String>,
}

fn run(open: Open, syncs: bool, cuts: usize, seed: u64) -> Outcome {
    let work = tempfile::Builder::new().prefix("confluo-power-cut").tempdir_in(scratch()).expect("a scratch folder");
    let (mut outcome, mut patience) = (Outcome::default(), Patience::default());
    let mut seeds = seed..;
    for image in 0..cuts.div_ceil(CUTS_PER_IMAGE) {
        let wanted: Vec<_> = plan::cuts_of_image(image).take(cuts - image * CUTS_PER_IMAGE).collect();
        // An image whose first start was over too soon is of no use.
        let is_made = seeds.by_ref().take(MOST_TRIES).any(|seed| {
            let mut run = ImageRun::new(open, syncs, seed, work.path(), &mut patience);
            run.cut_all(&wanted, &mut outcome).is_ok()
        });
        assert!(is_made, "no first start was met in its middle");
    }
    outcome
}

/// A writer at work in an image, and the model of what it has done.
struct ImageRun<'a> {
    open: Open,
    work: &'a Path,
    patience: &'a mut Patience,
    random: Random,
    // Before the file system under it.
    writer: Writer,
    mounted: Mounted,
    steps: Steps,
    model: MemoryStore,
}

/// The step was over before its writer was stopped.
struct TooLate;

impl<'a> ImageRun<'a> {
    fn new(open: Open, syncs: bool, seed: u64, work: &'a Path, patience: &'a mut Patience) -> Self {
        let image = work.join("image");
        fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).expect("the image can be made");
        run_command("mkfs.ext4", &["-q", "-F", "-J", "size=4", &text(&image)]);
        let mounted = Mounted::new(&image, &work.join("mounted"));
        let writer = Writer::start(&mounted.at.join("data"), syncs, seed);
        let (random, steps) = (Random(seed), Steps::new(seed));
        Self { open, work, patience, random, writer, mounted, steps, model: MemoryStore::new() }
    }

    fn cut_all(&mut self, wanted: &[Cut], outcome: &mut Outcome) -> Result<(), TooLate> {
        for (kind, moment) in wanted {
            if *kind != Kind::FirstStart {
                for _ in 0..self.random.below(6) {
                    self.step();
                }
            }
            let difference = match moment {
                Moment::Middle => self.cut_in_the_middle(*kind)?,
                Moment::After => {
                    self.approach(*kind);
                    self.step();
                    self.cut(None)
                }
            };
            let lost =
                difference.map(|difference| format!("{kind:?}, {moment:?}, step {}: {difference}", self.steps.made));
            outcome.losses.extend(lost);
            outcome.cuts += 1;
            *outcome.cuts_of.entry((*kind, *moment)).or_default() += 1;
        }
        Ok(())
    }

    /// Makes steps until the next one is of that kind.
    fn approach(&mut self, kind: Kind) {
        while self.steps.clone().next().kind() != kind {
            self.step();
        }
    }

    fn step(&mut self) {
        self.writer.send();
        self.writer.receive();
        self.steps.next().apply(&self.model, false);
    }

    fn cut_in_the_middle(&mut self, kind: Kind) -> Result<Option<String>, TooLate> {
        for _ in 0..MOST_TRIES {
            self.approach(kind);
            self.writer.send();
            thread::sleep(Duration::from_micros(self.random.below(self.patience.micros(kind))));
            self.writer.signal(Signal::STOP);
            let is_met = !self.writer.has_answered();
            let mut difference = None;
            if is_met {
                let ahead = MemoryStore::new();
                crate::copy_store(&self.model, &ahead).expect("both are in memory");
                self.steps.clone().next().apply(&ahead, false);
                difference = self.cut(Some(&ahead));
            }
            self.writer.signal(Signal::CONT);
            self.steps.next().apply(&self.model, false);
            if is_met {
                self.writer.receive();
                self.patience.lengthen(kind);
                return Ok(difference);
            }
            self.patience.shorten(kind);
            if kind == Kind::FirstStart {
                return Err(TooLate);
            }
        }
        panic!("no {kind:?} was met in its middle");
    }

    /// What is wrong with what a disk holds now; `ahead` is the model after the step that is under way.
    fn cut(&self, ahead: Option<&MemoryStore>) -> Option<String> {
        let copy = self.work.join("copy");
        self.mounted.copy_image(&self.work.join("image"), &copy);
        let difference = check(self.open, &copy, &self.work.join("after"), &self.model, ahead).err();
        fs::remove_file(&copy).expect("the copy is ours");
        difference
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
    answers: mpsc::Receiver<String>,
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
        let (answer, answers) = mpsc::sync_channel(1);
        // Ends with the writer, or with whoever listens.
        thread::spawn(move || {
            let lines = BufReader::new(from).lines().map_while(Result::ok);
            lines.map(|line| answer.send(line)).all(|sent| sent.is_ok())
        });
        Self { child, to, answers }
    }

    fn send(&mut self) {
        self.to.write_all(b"next\n").expect("the writer reads");
    }

    fn receive(&self) {
        let line = self.answers.recv().expect("the writer answers");
        assert_eq!(line, "on disk", "the writer failed");
    }

    /// Whether it answered before it was stopped.
    fn has_answered(&self) -> bool {
        self.answers.recv_timeout(ANSWERS_WITHIN).is_ok()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
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
