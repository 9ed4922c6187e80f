//! A Rust struct goes in and comes out, by serde: no schema, no generated code.
//!
//! `cargo run -p kapok-examples --example serde_structs`

use std::collections::BTreeMap;

use kapok::serde::{Deserialize, Serialize};
use kapok::{Consumer, Declaration, Producer, View};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Package {
    name: String,
    version: (u16, u16, u16),
    priority: Priority,
    /// Null is not 0.
    installed_kib: Option<u64>,
    depends: Vec<Dependency>,
    checksums: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde", rename_all = "kebab-case")]
enum Priority {
    Required,
    NiceToHave,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Dependency {
    on: String,
    optional: bool,
}

/// Another view of the same records: fewer fields, texts borrowed from the mapped segment.
#[derive(Deserialize)]
#[serde(crate = "kapok::serde")]
struct Summary<'v> {
    name: &'v str,
    #[serde(borrow)]
    depends: Vec<On<'v>>,
}

#[derive(Deserialize)]
#[serde(crate = "kapok::serde")]
struct On<'v> {
    on: &'v str,
}

/// What a package cannot be read as.
#[derive(Debug, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Small {
    #[expect(dead_code, reason = "it is never there")]
    installed_kib: u8,
}

/// What no record can be declared by.
#[derive(Deserialize)]
#[serde(crate = "kapok::serde")]
struct Drawing {
    #[expect(dead_code, reason = "only its type is asked for")]
    shape: Shape,
}

#[derive(Deserialize)]
#[serde(crate = "kapok::serde")]
enum Shape {
    #[expect(dead_code, reason = "only its type is asked for")]
    Circle(f64),
    Nothing,
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;
    let packages = packages();

    // In: the record type is that of the Rust type, and its key is named.
    let producer = Producer::open(url).await?;
    let declaration = Declaration::of_rust_type::<Package>("Package", &["name"])?;
    producer
        .run_cycle(|cycle| {
            cycle.declare(&declaration)?;
            let mut writer = cycle.values("Package")?;
            packages.iter().try_for_each(|package| writer.add_serde(package))?;
            Ok(())
        })
        .await?;

    // Out: owned, the very same values.
    let consumer = Consumer::open(url).await?;
    let view = consumer.view();
    let mut read = Vec::new();
    for package in view.table("Package")?.deserialize::<Package>() {
        read.push(package?);
    }
    println!("first package: {:?}", read[0]);
    assert_eq!(read, packages, "they were in key order already");

    borrow(&view)?;
    refuse(&view)
}

/// Reads texts where they lie.
fn borrow(view: &View) -> Result<()> {
    let summary = view.deserialize_by_key::<Summary<'_>>("Package", "kapok")?.ok_or("no such package")?;
    let depends: Vec<&str> = summary.depends.iter().map(|dependency| dependency.on).collect();
    println!("{} depends on {}", summary.name, depends.join(", "));
    assert_eq!((summary.name, &depends[..]), ("kapok", &["cotton", "libwood"][..]));

    let mapped = view.table("Package")?.segments()[0].segment().bytes().as_ptr_range();
    for text in depends.into_iter().chain([summary.name]) {
        assert!(mapped.contains(&text.as_ptr()), "{text} was copied");
    }
    println!("none of these texts was copied");
    Ok(())
}

/// What has no counterpart is refused where it is declared or read, by field and type.
fn refuse(view: &View) -> Result<()> {
    let refusal = Declaration::of_rust_type::<Drawing>("Drawing", &["shape"]).err().ok_or("accepted")?;
    println!("refused: {refusal}");
    assert!(refusal.to_string().contains("holds data"), "{refusal}");
    let refusal = Declaration::of_rust_type::<Package>("Package", &["installed_kib"]).err().ok_or("accepted")?;
    println!("refused: {refusal}");
    assert!(refusal.to_string().contains("Package.installed_kib"), "{refusal}");

    for (key, why) in [("cotton", "too large for u8"), ("libwood", "null is an absent field")] {
        let refusal = view.deserialize_by_key::<Small>("Package", key).err().ok_or("accepted")?;
        println!("refused: {refusal} ({why})");
        assert!(refusal.to_string().contains("installed_kib"), "{refusal}");
    }
    Ok(())
}

fn packages() -> Vec<Package> {
    let dependency = |on: &str, optional| Dependency { on: on.to_owned(), optional };
    let package = |name: &str, installed_kib, depends| Package {
        name: name.to_owned(),
        version: (1, 2, 0),
        priority: if name == "libwood" { Priority::Required } else { Priority::NiceToHave },
        installed_kib,
        depends,
        checksums: BTreeMap::from([("blake3".to_owned(), format!("{:08x}", name.len()))]),
    };
    vec![
        package("cotton", Some(4096), vec![]),
        package("kapok", Some(0), vec![dependency("cotton", false), dependency("libwood", true)]),
        package("libwood", None, vec![]),
    ]
}
