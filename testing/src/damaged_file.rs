//! Damages a file of a store's folder, and puts it back.

use std::fs;
use std::io::Result;
use std::path::{Path, PathBuf};

/// A way in which a file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file is gone.
    Lost,
    /// Its second half is gone.
    Cut,
    /// Its first 16 bytes are overwritten.
    Header,
    /// A bit near its end is flipped, so that only its hash tells.
    Flipped,
}

impl Damage {
    /// All ways.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Cut, Self::Header, Self::Flipped];
}

/// A file that is damaged now, and its bytes from before.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use kapok_testing::{Damage, DamagedFile};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("blob");
/// std::fs::write(&path, [7; 100])?;
/// for damage in Damage::ALL {
///     let file = DamagedFile::new(&path, damage)?;
///     assert!(std::fs::read(&path).map_or(true, |bytes| bytes != [7; 100]));
///     file.restore()?;
///     assert_eq!(std::fs::read(&path)?, [7; 100]);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DamagedFile {
    path: PathBuf,
    sound: Vec<u8>,
}

impl DamagedFile {
    /// Damages a file. Who has the old file mapped goes on reading it as it was: it is replaced, not written to.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn new(path: impl AsRef<Path>, damage: Damage) -> Result<Self> {
        let file = Self { path: path.as_ref().to_owned(), sound: fs::read(path)? };
        let mut bytes = file.sound.clone();
        let len = bytes.len();
        match damage {
            Damage::Lost => {
                fs::remove_file(&file.path)?;
                return Ok(file);
            }
            Damage::Cut => bytes.truncate(len / 2),
            Damage::Header => bytes.iter_mut().take(16).for_each(|byte| *byte = 0xff),
            Damage::Flipped => {
                if let Some(byte) = bytes.get_mut(len.saturating_sub(9)) {
                    *byte ^= 1;
                }
            }
        }
        file.replace(&bytes)?;
        Ok(file)
    }

    /// Returns where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the bytes from before the damage.
    pub fn sound(&self) -> &[u8] {
        &self.sound
    }

    /// Returns whether the file has its bytes from before again.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn is_restored(&self) -> Result<bool> {
        Ok(fs::exists(&self.path)? && fs::read(&self.path)? == self.sound)
    }

    /// Puts the bytes from before back.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn restore(&self) -> Result<()> {
        self.replace(&self.sound)
    }

    fn replace(&self, bytes: &[u8]) -> Result<()> {
        if fs::exists(&self.path)? {
            fs::remove_file(&self.path)?;
        }
        fs::write(&self.path, bytes)
    }
}
