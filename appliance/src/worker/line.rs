//! The worker's line to its keeper.

use std::io;
use std::os::fd::OwnedFd;

use crate::ipc::{self, FromWorker, Receiver, Sender};

/// Tells the keeper something.
///
/// # Errors
/// If it is gone.
///
/// # Cancel safety
/// Not cancel safe, as [`Sender::send`].
pub(super) async fn say(keeper: &Sender, message: &FromWorker) -> io::Result<()> {
    keeper.send(message, &[]).await
}

/// The channel to the keeper that goes on. Without one nobody would end this process.
pub(super) fn moved(fds: Vec<OwnedFd>) -> Option<(Sender, Receiver)> {
    let fd = fds.into_iter().next()?;
    ipc::channel(fd.into()).ok()
}
