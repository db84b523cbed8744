//! A server's process: started on its CPU, awaited, and ended with the measurement.

use std::{
    io,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_setaffinity},
};

use super::{
    ROOMS,
    list::{Comparand, Fill},
};
use crate::{
    BenchError,
    clock::{now, seconds_since},
};

const START_SECONDS: f64 = 30.0;
const STOP_SECONDS: f64 = 60.0;

/// Where servers are started.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) folder: &'a Path,
    pub(super) port: u16,
    pub(super) server_cpu: Option<usize>,
}

impl Place<'_> {
    /// Puts port, program and folders into a text of the list.
    pub(super) fn fill(&self, text: &str, data: &Path) -> String {
        let this_program = std::env::current_exe().unwrap_or_default();
        text.replace("{port}", &self.port.to_string())
            .replace("{confluo}", &this_program.display().to_string())
            .replace("{data}", &data.display().to_string())
            .replace("{here}", &self.folder.display().to_string())
    }
}

/// A running server; it goes with this value.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    started_after_seconds: f64,
}

impl ServerProcess {
    /// Starts a server on its CPU and waits until it takes connections.
    pub(super) fn start(server: &Comparand, place: &Place<'_>, data: &Path) -> Result<Self, BenchError> {
        let refuse = |reason: String| BenchError::Server { server: server.name.clone(), reason };
        if TcpStream::connect((Ipv4Addr::LOCALHOST, place.port)).is_ok() {
            return Err(refuse(format!("something else listens on port {}", place.port)));
        }
        // A child inherits the CPUs of the thread that starts it.
        pin_this_thread(place.server_cpu)?;
        let arguments: Vec<_> = server.command.iter().map(|argument| place.fill(argument, data)).collect();
        let environment = server.environment.iter().map(|(name, value)| (name, place.fill(value, data)));
        let began = now();
        let child = Command::new(&arguments[0])
            .args(&arguments[1..])
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| refuse(format!("{}: {error}", arguments[0])))?;
        let mut started = Self { child, started_after_seconds: 0.0 };
        started.wait_until_it_listens(place.port).map_err(refuse)?;
        started.started_after_seconds = seconds_since(began);
        Ok(started)
    }

    fn wait_until_it_listens(&mut self, port: u16) -> Result<(), String> {
        let began = now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended at once: {status}"));
            }
            if seconds_since(began) > START_SECONDS {
                return Err(format!("it does not listen on port {port} after {START_SECONDS} s"));
            }
            // The time of the start is measured by this.
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// From its start until it took connections.
    pub(super) fn started_after_seconds(&self) -> f64 {
        self.started_after_seconds
    }

    /// Asks it to stop, and waits until it has.
    pub(super) fn stop(mut self, server: &Comparand) -> Result<(), BenchError> {
        let refuse = |reason: String| BenchError::Server { server: server.name.clone(), reason };
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(|error| refuse(error.to_string()))?;
        let began = now();
        loop {
            match self.child.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) if seconds_since(began) <= STOP_SECONDS => thread::sleep(Duration::from_millis(20)),
                Ok(None) => return Err(refuse(format!("it has not stopped {STOP_SECONDS} s after it was told to"))),
                Err(error) => return Err(refuse(error.to_string())),
            }
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // One that has already ended need not be stopped.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Has a server's store filled.
pub(super) fn fill(server: &Comparand, fill: &Fill, place: &Place<'_>, data: &Path) -> Result<(), BenchError> {
    let refuse = |reason: String| BenchError::Server { server: server.name.clone(), reason };
    let arguments = server.fill.iter().map(|argument| {
        let argument = argument.replace("{documents}", &fill.documents.to_string());
        let argument = argument.replace("{document_bytes}", &fill.document_bytes.to_string());
        place.fill(&argument.replace("{rooms}", ROOMS), data)
    });
    let arguments: Vec<_> = arguments.collect();
    let (program, arguments) = arguments.split_first().ok_or_else(|| refuse("it cannot be filled".to_owned()))?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| refuse(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(refuse(format!("it could not be filled: {}", said.lines().last().unwrap_or_default())))
}

/// The first line that a server's version command prints.
pub(super) fn version(server: &Comparand, place: &Place<'_>) -> String {
    let fill = |argument: &String| place.fill(argument, Path::new(""));
    let Some((program, arguments)) = server.version.split_first() else { return "unknown".to_owned() };
    let output = Command::new(fill(program)).args(arguments.iter().map(fill)).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Lets the calling thread, and what it starts, run on one CPU only; on any if there is none.
pub(super) fn pin_this_thread(cpu: Option<usize>) -> Result<(), BenchError> {
    let Some(cpu) = cpu else { return Ok(()) };
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    sched_setaffinity(None, &cpus).map_err(|error| BenchError::Server {
        server: format!("CPU {cpu}"),
        reason: format!("this process may not run there: {}", io::Error::from(error)),
    })
}
