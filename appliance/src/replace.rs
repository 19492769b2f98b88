//! A file is replaced by another with the same name, owner and permissions.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Puts another file into its place, with what this makes of its text: whoever reads has the old one or the new one.
///
/// # Errors
/// As the system gives them, and those of `text`; then the file is what it was.
pub(crate) fn replace_file(path: &Path, text: impl FnOnce(&str) -> io::Result<String>) -> io::Result<()> {
    // Of a link what it leads to.
    let path = fs::canonicalize(path)?;
    let text = text(&fs::read_to_string(&path)?)?;
    let now = fs::metadata(&path)?;
    let new = path.with_file_name(match path.file_name() {
        Some(name) => format!(".{}.new", name.to_string_lossy()),
        None => return Err(io::Error::other("it has no name")),
    });
    let written = (|| {
        // One that an earlier life has left behind.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        // In this order: the permissions of what is another's take one more capability.
        file.set_permissions(fs::Permissions::from_mode(now.mode() & 0o7777))?;
        std::os::unix::fs::fchown(&file, Some(now.uid()), Some(now.gid()))?;
        file.sync_all()?;
        fs::rename(&new, &path)
    })();
    if written.is_err() {
        // What is wrong is told; what is left behind is taken away next time.
        fs::remove_file(&new).unwrap_or_default();
    }
    written
}
