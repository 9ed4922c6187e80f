//! `kapok completions` and `kapok man`: print shell completions and write manual pages.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::{Failure, Result};

const NAME: &str = "kapok";

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok completions bash > ~/.local/share/bash-completion/completions/kapok
  kapok completions zsh > ~/.zfunc/_kapok
  kapok completions fish > ~/.config/fish/completions/kapok.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Write manual pages, one for each verb, into a folder
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok man ~/.local/share/man/man1
  kapok man /tmp/man && man -l /tmp/man/kapok-publish.1")]
pub struct Man {
    /// The folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Completions {
    /// Prints them.
    pub fn run(&self, mut command: Command, out: &mut impl Write) -> Result<()> {
        // Into memory: the generator does not expect that writing fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, NAME, &mut script);
        Ok(out.write_all(&script)?)
    }
}

impl Man {
    /// Writes them, and prints their names.
    pub fn run(&self, mut command: Command, out: &mut impl Write) -> Result<()> {
        let failed =
            |error: std::io::Error| Failure::no(format!("{}: cannot be written: {error}", self.folder.display()));
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        // Gives each verb its full name.
        command.build();
        let mut pages = vec![command];
        let mut at = 0;
        while let Some(page) = pages.get(at) {
            let below: Vec<_> = page.get_subcommands().filter(|verb| verb.get_name() != "help").cloned().collect();
            pages.extend(below);
            at += 1;
        }
        for page in pages {
            let name = page.get_display_name().unwrap_or(page.get_name()).to_owned();
            let mut text = Vec::new();
            clap_mangen::Man::new(page).render(&mut text).map_err(failed)?;
            let path = self.folder.join(format!("{name}.1"));
            std::fs::write(&path, text).map_err(failed)?;
            writeln!(out, "{}", path.display())?;
        }
        Ok(())
    }
}
