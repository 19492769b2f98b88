//! `evenkeel vip release`: what the service manager runs last, for a node that could not clean up after itself.

use std::process::ExitCode;

use super::{VipReleaseArgs, fail};
use crate::keeper;

/// `evenkeel vip release`. Nothing to take off is success, and said of nothing.
pub(super) fn release(args: &VipReleaseArgs) -> ExitCode {
    match keeper::release_vips(&args.runtime_dir) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(count) => {
            eprintln!("{count} virtual addresses taken off");
            ExitCode::SUCCESS
        }
        Err(e) => fail(&e),
    }
}
