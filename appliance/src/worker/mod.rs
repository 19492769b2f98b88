//! The worker: the process that serves clients. It gets its configuration and listening sockets from the keeper, gives
//! up every privilege, and only then lets its threads touch a byte from the network.

mod edited;
mod line;
pub mod privileges;
mod report;
mod retired;
pub mod sandbox;
mod seen;
mod serve;
mod warmth;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

pub(crate) use seen::is_wanted as is_seen;

use crate::ipc::{self, FromWorker, Receiver, Sender, Start, ToWorker};

/// Why a worker ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Standard input is not the keeper's socket.
    #[error("standard input is no socket from a keeper")]
    Socket(#[source] io::Error),
    /// The keeper sent something else than a start.
    #[error("the keeper did not say how to start")]
    NoStart,
    /// Privileges are left: nothing may be served.
    #[error("cannot give up privileges")]
    Privileges(#[source] io::Error),
    /// The configuration that the keeper accepted is refused here.
    #[error("cannot serve the configuration: {0}")]
    Rejected(String),
    /// A part could not be started.
    #[error("cannot start {0}")]
    Start(&'static str, #[source] io::Error),
}

/// Runs the worker of the keeper whose socket is standard input, until the keeper says so or is gone.
///
/// # Errors
/// If the worker cannot begin to serve.
pub fn run() -> Result<(), WorkerError> {
    nix::sys::prctl::set_name(c"ek-worker").map_err(|e| WorkerError::Socket(e.into()))?;
    let socket = own_socket().map_err(WorkerError::Socket)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| WorkerError::Start("the event loop", e))?;
    runtime.block_on(async {
        let (sender, mut receiver) = ipc::channel(socket.into()).map_err(WorkerError::Socket)?;
        let (start, sockets) = first_message(&mut receiver).await?;
        privileges::drop_all(start.identity).map_err(WorkerError::Privileges)?;
        match serve::Service::start(start, sockets) {
            Ok(service) => {
                service.run(sender, receiver).await;
                Ok(())
            }
            Err(error) => {
                reject(&sender, &error).await;
                Err(error)
            }
        }
    })
}

/// The keeper's socket, which is standard input no more: closing the one closes it.
fn own_socket() -> io::Result<OwnedFd> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}

async fn first_message(receiver: &mut Receiver) -> Result<(Start, Vec<OwnedFd>), WorkerError> {
    match receiver.recv::<ToWorker>().await.map_err(WorkerError::Socket)? {
        Some((ToWorker::Start(start), sockets)) => Ok((*start, sockets)),
        Some((
            ToWorker::Ping(_)
            | ToWorker::Report(_)
            | ToWorker::Tls(_)
            | ToWorker::Node(_)
            | ToWorker::Order(..)
            | ToWorker::Logs { .. }
            | ToWorker::HandOver(_)
            | ToWorker::Retire
            | ToWorker::Move
            | ToWorker::Counts(_)
            | ToWorker::Drain { .. },
            _,
        ))
        | None => Err(WorkerError::NoStart),
    }
}

async fn reject(sender: &Sender, error: &WorkerError) {
    let reason = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    // A keeper that is gone hears nothing; the error is printed by the command line as well.
    sender.send(&FromWorker::Rejected(reason), &[]).await.unwrap_or_default();
}
