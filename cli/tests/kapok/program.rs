//! Runs the program in a folder of its own.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a store in it.
pub struct Scene {
    folder: TempDir,
}

/// What a run of the program gave.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Scene {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a file.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs the program on this scene's store.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        run_in(self.folder.path(), arguments, Some(&self.store()), b"")
    }

    /// Starts the program on this scene's store.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut command(self.folder.path(), arguments, Some(&self.store())), self.folder.path())
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        run_in(self.folder.path(), arguments, Some(&self.store()), input)
    }

    /// Publishes lines of type `Thing` with the key `id`.
    pub fn publish(&self, lines: &str) -> Ran {
        self.publish_with(lines, &["--key", "id"])
    }

    pub fn publish_with(&self, lines: impl AsRef<[u8]>, options: &[&str]) -> Ran {
        self.file("things.jsonl", lines);
        let mut arguments = vec!["publish", "things.jsonl", "--type", "Thing"];
        arguments.extend(options);
        self.run(&arguments)
    }

    pub fn versions(&self) -> String {
        self.run(&["versions", "--json"]).ok()
    }

    /// The records of a type, as JSON.
    pub fn export(&self, record_type: &str) -> Vec<Value> {
        json_lines(&self.run(&["export", record_type]).ok())
    }

    /// The only file of a folder of the store.
    pub fn only_file(&self, folder: &str) -> PathBuf {
        let mut files: Vec<_> =
            std::fs::read_dir(self.store().join(folder)).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

impl Ran {
    /// What it printed, where it succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// The one line of its failure.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        let lines: Vec<_> = self.err.lines().collect();
        assert_eq!(lines.len(), 1, "{}", self.err);
        lines[0].strip_prefix("kapok: error: ").expect("the program says who it is").to_owned()
    }
}

pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn command(folder: &Path, arguments: &[&str], store: Option<&Path>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kapok"));
    command.args(arguments).current_dir(folder).env_remove("KAPOK_STORE");
    if let Some(store) = store {
        command.env("KAPOK_STORE", store);
    }
    command
}

pub fn run_in(folder: &Path, arguments: &[&str], store: Option<&Path>, input: &[u8]) -> Ran {
    let mut command = command(folder, arguments, store);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may refuse before it has read all.
    _ = stdin.write_all(input);
    drop(stdin);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

/// A run of the program that goes on beside the test.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Starts the command; what it prints goes to files in the folder.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let (out, err) = (folder.join("running.out"), folder.join("running.err"));
        command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Self { child: command.spawn().unwrap(), out, err }
    }

    /// Waits until what it has printed is so.
    #[track_caller]
    pub fn until(&self, so: impl Fn(&str) -> bool) {
        self.wait(|| so(&self.printed()));
    }

    /// Waits until what it has told on standard error is so.
    #[track_caller]
    pub fn until_complaint(&self, so: impl Fn(&str) -> bool) {
        self.wait(|| so(&self.complained()));
    }

    #[track_caller]
    fn wait(&self, is_over: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_over() {
            assert!(begun.elapsed() < Duration::from_mins(1), "{}{}", self.printed(), self.complained());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn is_finished(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn printed(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    pub fn complained(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    /// Waits for its end.
    pub fn join(mut self) -> Ran {
        let code = self.child.wait().unwrap().code().unwrap();
        Ran { code, out: self.printed(), err: self.complained() }
    }

    /// Ends it. Returns what it has printed.
    pub fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.printed()
    }
}
