//! A package outside of the workspace builds, with no dependency but Kapok.
//!
//! `hut.cgr` is made by `capnp compile -o- -I../../../schemas --src-prefix=schemas schemas/hut.capnp` in `tests/outside`.

use std::path::Path;
use std::process::Command;

use crate::workshop::Workshop;

/// Profiles of the workspace, so that what it has built is not built again.
const PROFILE: &str = r#"
[profile.dev]
opt-level = 1
debug = "line-tables-only"

[profile.dev.package."*"]
opt-level = 3

[workspace]
"#;

#[test]
fn a_package_of_its_own_builds_and_runs() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let Ok(lock) = std::fs::read(workspace.join("Cargo.lock")) else {
        return eprintln!("skipped: not in the workspace");
    };
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let package = Workshop::kept(scratch.join("hut-user"));
    let outside = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside");
    for name in ["schemas/hut.capnp", "schemas/hut.cgr"] {
        package.write(name, std::fs::read(outside.join(name)).unwrap());
    }
    package.write("src/main.rs", std::fs::read(outside.join("src/main.rs")).unwrap());
    package.write("Cargo.lock", lock);
    // What generated code needs of `kapok` is in kapok-schemas under the same names.
    let dependency = |name: &str, folder: &str| format!("{name} = {{ path = {:?}", workspace.join(folder));
    package.write(
        "Cargo.toml",
        format!(
            "[package]\nname = \"hut-user\"\nedition = \"2024\"\n\
             [dependencies]\n{}, package = \"kapok-schemas\" }}\n\
             [build-dependencies]\n{} }}\n{PROFILE}",
            dependency("kapok", "schemas"),
            dependency("kapok-build", "build"),
        ),
    );
    let has_tool = Command::new("capnp").arg("--version").output().is_ok();
    let call = if has_tool { "compile(\"schemas/hut.capnp\")" } else { "compile_request(\"schemas/hut.cgr\")" };
    package.write("build.rs", format!("fn main() -> kapok_build::Result<()> {{\n    kapok_build::{call}\n}}\n"));

    let cargo = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(package.path("."))
        .env("CARGO_TARGET_DIR", scratch.parent().unwrap())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&cargo.stdout), String::from_utf8_lossy(&cargo.stderr));
    assert!(cargo.status.success(), "{err}");
    assert_eq!(out.trim(), "(id = \"hut-1\", heightM = 2050, rooms = [(beds = 4)], metric = cosine)", "{err}");
}
