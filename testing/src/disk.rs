//! A file system of a few megabytes in memory, to be filled up. Mounting takes the rights of an administrator; where they
//! are missing the test says `SKIPPED:` and passes.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A mounted file system; unmounted when it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of so many bytes. None, with a line that says so, where that is not allowed.
    ///
    /// # Errors
    /// If there is no folder to mount it on.
    pub fn mount(bytes: u64) -> io::Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let target = CString::new(folder.path().as_os_str().as_bytes())?;
        let options = CString::new(format!("size={bytes}"))?;
        // SAFETY: all strings end in zero and live until the call is over.
        let refused = unsafe {
            libc::mount(c"copl-test".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0, options.as_ptr().cast())
        };
        if refused != 0 {
            println!("SKIPPED: no small disk can be mounted here: {}", io::Error::last_os_error());
            return Ok(None);
        }
        Ok(Some(Self { folder }))
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it up but for `left` bytes. The file that does so is given; removing it makes room again.
    ///
    /// # Errors
    /// If it cannot be written to at all.
    pub fn fill(&self, left: usize) -> io::Result<PathBuf> {
        let (ballast, path) = (self.path().join("ballast-to-be-removed"), self.path().join("ballast"));
        #[allow(clippy::disallowed_methods, reason = "it is to fill the disk")]
        fs::write(&ballast, vec![1_u8; left])?;
        let mut file = File::create(&path)?;
        let block = vec![2_u8; 4096];
        while let Ok(()) = file.write_all(&block) {}
        drop(file);
        fs::remove_file(&ballast)?;
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Ok(target) = CString::new(self.folder.path().as_os_str().as_bytes()) {
            // SAFETY: the string ends in zero. What stays mounted after a failure shows in `mount`.
            unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
        }
    }
}
