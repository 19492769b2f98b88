//! What operators have changed in files of maps and patterns: kept for the next worker, and written into those files
//! that are to be saved.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use crate::config::{Config, Sources};
use crate::edit::Edit;
use crate::replace::replace_file;

/// Files that are written into, one after the other, on a thread of their own: a disk may be slow.
#[derive(Debug)]
pub(super) struct Edits {
    base: PathBuf,
    saved: BTreeSet<String>,
    touched: BTreeSet<String>,
    /// Absent if nothing is to be saved.
    files: Option<Writer>,
}

/// Where files go that are to be written into, and the thread that writes; it ends when there is no way in any more.
type Writer = (mpsc::Sender<(PathBuf, Edit)>, thread::JoinHandle<()>);

impl Edits {
    /// Starts the thread, if anything is to be saved.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(config: &Config, sources: &Sources) -> io::Result<Self> {
        let saved: BTreeSet<String> =
            config.global.saved_files.iter().map(|file| file.value.clone()).collect();
        let files = (!saved.is_empty()).then(|| {
            let (files, edits) = mpsc::channel();
            let thread =
                thread::Builder::new().name("saved-files".into()).spawn(move || write_all(&edits))?;
            Ok::<_, io::Error>((files, thread))
        });
        Ok(Self { base: sources.base(), saved, touched: BTreeSet::new(), files: files.transpose()? })
    }

    /// The files in which something has been changed, for the next keeper.
    pub(super) fn touched(&self) -> &BTreeSet<String> {
        &self.touched
    }

    /// Goes on where the keeper before this one was.
    pub(super) fn inherit(&mut self, touched: BTreeSet<String>) {
        self.touched = touched;
    }

    /// Takes one that a worker has told of.
    pub(super) fn take(&mut self, sources: &mut Sources, file: &str, mut edit: Edit) {
        let lost = edit.drop_what_is_no_line();
        if lost > 0 {
            tracing::error!(file, lost, "entries that cannot be lines of the file end with the worker");
        }
        // For the next worker, which reads these.
        if let Some(bytes) = sources.blobs.get_mut(&Sources::name_of_file(file)) {
            *bytes = edit.apply(&String::from_utf8_lossy(bytes)).into_bytes();
            self.touched.insert(Sources::name_of_file(file));
        }
        if self.saved.contains(file)
            && let Some((files, _)) = &self.files
            && files.send((self.base.join(file), edit)).is_err()
        {
            tracing::error!(file, "what was changed in it cannot be saved: the thread that writes has ended");
        }
    }

    /// Sources that were read anew get what has been changed in files, unless these are others now: whoever edits a file
    /// means what it says.
    pub(super) fn carry_over(&self, as_read: &Sources, in_use: &Sources, fresh: &mut Sources) {
        for name in &self.touched {
            let (Some(read), Some(used)) = (as_read.blobs.get(name), in_use.blobs.get(name)) else {
                continue;
            };
            match fresh.blobs.get_mut(name) {
                Some(bytes) if bytes == read => bytes.clone_from(used),
                Some(bytes) if bytes == used => {}
                Some(_) => tracing::warn!(%name, "it has been edited: what was changed at run time is gone"),
                None => {}
            }
        }
    }

    /// Waits until all has been written.
    pub(super) fn finish(&mut self) {
        let Some((files, thread)) = self.files.take() else { return };
        drop(files);
        if thread.join().is_err() {
            tracing::error!("the thread that writes saved files has failed");
        }
    }
}

fn write_all(edits: &mpsc::Receiver<(PathBuf, Edit)>) {
    for (path, edit) in edits {
        match write(&path, &edit) {
            Ok(()) => tracing::info!(file = %path.display(), "changes of operators written"),
            Err(error) => tracing::error!(
                file = %path.display(),
                %error,
                "changes of operators cannot be written: they are lost when the node stops"
            ),
        }
    }
}

fn write(path: &Path, edit: &Edit) -> io::Result<()> {
    replace_file(path, |text| Ok(edit.apply(text)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_file_keeps_its_owner_its_permissions_and_its_place() {
        let directory = std::env::temp_dir().join(format!("evenkeel-edits-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (real, link) = (directory.join("real.txt"), directory.join("link.txt"));
        fs::write(&real, "# Bad.\n10.0.0.1\n").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        // What a crash has left.
        fs::write(directory.join(".real.txt.new"), "half a fi").unwrap();
        let before = [(0, "10.0.0.1".to_owned())];
        let after = [(0, "10.0.0.1".to_owned()), (1, "10.0.0.2".to_owned())];
        write(&link, &Edit::between(&before, &after)).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "# Bad.\n10.0.0.1\n10.0.0.2\n");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let names = fs::read_dir(&directory).unwrap().count();
        assert_eq!(names, 2, "nothing else is left");
        assert!(write(&directory.join("none"), &Edit::default()).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
