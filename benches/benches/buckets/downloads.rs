//! The download of a store from nginx on this host, beside that of the same files by curl, to the same disk and flushed.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{number, run};

/// Serves the store for as long as it lives.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

pub fn compare(folder: &Path, store: &Path) {
    let Some((_server, url)) = serve(folder, store) else {
        println!("downloads: not compared, there is no nginx or no curl");
        return;
    };
    let files: Vec<String> = ["segments", "indexes"].into_iter().flat_map(|kind| names(store, kind)).collect();
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..number("KAPOK_RUNS", 3) {
        peers.push(by_curl(&url, &files, &folder.join("curl")));
        let cache = folder.join("cache");
        let told = run(&["download", &url, cache.to_str().unwrap()]);
        println!("download by a consumer: {told}");
        // Its start and its scan do not count: curl does neither.
        let view = told.split("view ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
        ours.push(Duration::from_secs_f64(view.unwrap() / 1e3));
        fs::remove_dir_all(&cache).unwrap();
    }
    println!("download, median: {:.2} s, hashed and flushed; curl {:.2} s, flushed", median(ours), median(peers));
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn names(store: &Path, kind: &str) -> Vec<String> {
    let entries = fs::read_dir(store.join(kind)).unwrap();
    entries.map(|entry| format!("{kind}/{}", entry.unwrap().file_name().to_str().unwrap())).collect()
}

fn by_curl(url: &str, files: &[String], folder: &Path) -> Duration {
    let started = Instant::now();
    let mut command = Command::new("curl");
    command.args(["--no-progress-meter", "--fail", "--create-dirs", "--parallel", "--parallel-max", "8"]);
    for file in files {
        command.arg("--output").arg(folder.join(file)).arg(format!("{url}/{file}"));
    }
    assert!(command.status().unwrap().success());
    for file in files {
        File::open(folder.join(file)).unwrap().sync_all().unwrap();
    }
    let took = started.elapsed();
    fs::remove_dir_all(folder).unwrap();
    took
}

/// Starts nginx over a folder, and returns its URL.
fn serve(folder: &Path, store: &Path) -> Option<(Nginx, String)> {
    let found = |name: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        folders.map(|folder| folder.join(name)).find(|program| program.is_file())
    };
    let (nginx, _) = (found("nginx")?, found("curl")?);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let configuration = folder.join("nginx.conf");
    let text = format!(
        "daemon off; master_process off; pid {0}/nginx.pid; error_log {0}/nginx.log; events {{}}\n\
         http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {1}; }} }}\n",
        folder.display(),
        store.display()
    );
    fs::write(&configuration, text).unwrap();
    // Its worker reads the files as the user of this program.
    let child = Command::new(nginx).arg("-c").arg(&configuration).arg("-p").arg(folder).stderr(Stdio::null()).spawn();
    let server = Nginx(child.unwrap());
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((server, format!("http://127.0.0.1:{port}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nginx does not answer: see {}", folder.join("nginx.log").display());
}
