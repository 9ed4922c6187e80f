//! `kapok`: publishes, reads and verifies Kapok datasets from the command line.
//!
//! It reads any dataset without generated code, since manifests hold the schemas. It does not serve a dataset. Each
//! verb has a file with its arguments, then its `run`.
//!
//! ```text
//! publish                               JSON lines in, a new version out
//! export, find, get, query, search      records out, as JSON
//! versions, stat, segments, schema      print what a store holds
//! log, announce, pin, unpin, rollback   print and set the version that consumers are on
//! diff, history                         print what changed
//! watch                                 prints each swap of a consumer, with its cost
//! index                                 lists, adds and drops indexes
//! vectors                               sizes and recall of vector indexes
//! merge, gc                             fewer segments, and old versions deleted
//! drop-type, drop-field, drop-reference remove a record type, a field or a reference
//! verify, repair                        check every byte, and put back what was lost
//! cache                                 looks after what this host keeps of remote stores
//! demo                                  most of it on a bundled sample
//! completions, man                      for shells, and manual pages
//! ```
//!
//! Exit codes: 0 done, 1 the answer is no or the operation failed, 2 usage or input that cannot be used.

#![forbid(unsafe_code)]

mod announce;
mod cache;
mod dataset;
mod demo;
mod diff;
mod drop;
mod duration;
mod export;
mod failure;
mod find;
mod gc;
mod get;
mod history;
mod index;
mod key_argument;
mod log;
mod manual;
mod merge;
mod notice;
mod output;
mod progress;
mod publish;
mod query;
mod repair;
mod schema;
mod search;
mod segments;
mod stat;
mod store_argument;
mod table;
mod terminal;
mod type_argument;
mod vector_fields;
mod vectors;
mod verify;
mod versions;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::failure::{Failure, Result};
use crate::terminal::Terminal;

/// Publishes, reads and verifies Kapok datasets.
#[derive(Debug, Parser)]
#[command(name = "kapok", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON, for scripts; errors too, one line on standard error
    #[arg(long, global = true)]
    json: bool,
    /// The store, for verbs that work on one
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  kapok demo
  kapok publish packages.jsonl.zst --store data/debian --type Package --key package
  kapok get --store data/debian Package bash
  kapok verify --store data/debian

--store stands before or behind the verb, or in KAPOK_STORE. Where a verb is about a record type, TYPE may stand in its
place or be named by --type. With --json an error is one line of JSON on standard error:
  {\"error\": {\"kind\": \"not_found\", \"message\": \"...\", \"exit_code\": 1}}

Exit codes: 0 done, 1 the answer is no or the operation failed, 2 usage or input that cannot be used.";

#[derive(Debug, Subcommand)]
enum Verb {
    Publish(Box<publish::Publish>),
    Versions(versions::Versions),
    Stat(stat::Stat),
    Get(get::Get),
    Export(export::Export),
    Find(find::Find),
    Query(Box<query::Query>),
    Search(Box<search::Search>),
    Schema(schema::PrintSchema),
    Segments(segments::Segments),
    Verify(verify::Verify),
    Repair(repair::Repair),
    Log(log::Log),
    Announce(announce::Announce),
    Pin(announce::Pin),
    Unpin(announce::Unpin),
    Rollback(announce::Rollback),
    Gc(gc::Gc),
    Diff(diff::Diff),
    History(history::History),
    Watch(watch::Watch),
    Merge(merge::Merge),
    Index(index::Index),
    Vectors(vectors::Vectors),
    DropType(drop::DropType),
    DropField(drop::DropField),
    DropReference(drop::DropReference),
    Cache(cache::Cache),
    Demo(demo::Demo),
    Completions(manual::Completions),
    Man(manual::Man),
}

impl Cli {
    /// Returns whether programs read the output, so that nothing in it is escaped: JSON, or what other tools take.
    fn is_for_programs(&self) -> bool {
        self.json
            || matches!(
                self.verb,
                Verb::Get(_)
                    | Verb::Export(_)
                    | Verb::Find(_)
                    | Verb::Query(_)
                    | Verb::Search(_)
                    | Verb::Completions(_)
                    | Verb::Man(_)
            )
    }
}

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(usage) => return refuse(&usage),
    };
    let mut out = Terminal::new(output::standard(), cli.is_for_programs());
    let result = run(&cli, &mut out);
    // Flushed first, so that the line of a failure comes after what was printed before it.
    let result = result.and(out.flush().map_err(Failure::Output));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure, cli.json),
    }
}

/// Tells of a failure, and returns its exit code.
fn fail(failure: &Failure, json: bool) -> ExitCode {
    if let Some(line) = failure.line(json) {
        output::error_line(line);
    }
    failure.exit_code()
}

fn run(cli: &Cli, out: &mut impl Write) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Failure::no(format!("no threads to work with: {source}")))?;
    runtime.block_on(async {
        match &cli.verb {
            Verb::Publish(verb) => verb.run(cli.json, out).await,
            Verb::Versions(verb) => verb.run(cli.json, out).await,
            Verb::Stat(verb) => verb.run(cli.json, out).await,
            Verb::Get(verb) => verb.run(out).await,
            Verb::Export(verb) => verb.run(out).await,
            Verb::Find(verb) => verb.run(out).await,
            Verb::Query(verb) => verb.run(cli.json, out).await,
            Verb::Search(verb) => verb.run(cli.json, out).await,
            Verb::Schema(verb) => verb.run(cli.json, out).await,
            Verb::Segments(verb) => verb.run(cli.json, out).await,
            Verb::Verify(verb) => verb.run(cli.json, out).await,
            Verb::Repair(verb) => verb.run(cli.json, out).await,
            Verb::Log(verb) => verb.run(cli.json, out).await,
            Verb::Announce(verb) => verb.run(cli.json, out).await,
            Verb::Pin(verb) => verb.run(cli.json, out).await,
            Verb::Unpin(verb) => verb.run(cli.json, out).await,
            Verb::Rollback(verb) => verb.run(cli.json, out).await,
            Verb::Gc(verb) => verb.run(cli.json, out).await,
            Verb::Diff(verb) => verb.run(cli.json, out).await,
            Verb::History(verb) => verb.run(cli.json, out).await,
            Verb::Watch(verb) => verb.run(cli.json, out).await,
            Verb::Merge(verb) => verb.run(cli.json, out).await,
            Verb::Index(verb) => verb.run(cli.json, out).await,
            Verb::Vectors(verb) => verb.run(cli.json, out).await,
            Verb::DropType(verb) => verb.run(cli.json, out).await,
            Verb::DropField(verb) => verb.run(cli.json, out).await,
            Verb::DropReference(verb) => verb.run(cli.json, out).await,
            Verb::Cache(verb) => verb.run(cli.json, out),
            Verb::Demo(verb) => verb.run(cli.json, out).await,
            Verb::Completions(verb) => verb.run(Cli::command(), out),
            Verb::Man(verb) => verb.run(Cli::command(), out),
        }
    })
}

fn parse() -> std::result::Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    if store_argument::is_missing(&matches) {
        let text = "the store is missing: give --store URL, or set KAPOK_STORE";
        return Err(command.error(ErrorKind::MissingRequiredArgument, text));
    }
    Cli::from_arg_matches(&matches)
}

/// Help and version go to standard output; usage errors look like all others.
fn refuse(usage: &clap::Error) -> ExitCode {
    let json = notice::is_json();
    if !usage.use_stderr() {
        return match usage.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&Failure::Output(error), json),
        };
    }
    let text = usage.render().to_string();
    if usage.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        output::error_text(text);
    } else {
        output::error_line(failure::usage_line(&text, json));
    }
    ExitCode::from(2)
}
