//! Engines of others, in a process of Python that answers commands.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

/// The process.
pub struct Peers {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What it says.
#[derive(Debug, Deserialize)]
pub struct Answer {
    #[serde(default)]
    pub seconds: f64,
    #[serde(default)]
    pub found: Vec<Vec<i64>>,
    pub error: Option<String>,
}

impl Peers {
    /// Starts Python; `None` if there is none.
    pub fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/vectors/peers.py");
        let spawned = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = spawned.ok()?;
        let (input, output) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        Some(Self { process, input, output })
    }

    /// Gives a command, and waits for the answer.
    pub fn ask(&mut self, command: &[&str]) -> Answer {
        writeln!(self.input, "{}", serde_json::to_string(command).unwrap()).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let failed = |error: String| Answer { seconds: 0.0, found: Vec::new(), error: Some(error) };
        serde_json::from_str(&line).unwrap_or_else(|error| failed(format!("{error}: {line}")))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
