//! What a worker cannot do whatever it is made to do by what clients and servers send: the second fence behind having no
//! privileges. Files are written in the directories of its logs only and no program is started (Landlock); system calls that
//! a proxy has no use for are refused (seccomp). Whatever else it may do in the network and read is left to its user's
//! rights.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, path_beneath_rules,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

/// Shuts the calling thread in, and every thread that it starts from here on. `written` are the directories in which files
/// may be made and written. What the kernel does not know is told, and missing.
///
/// # Errors
/// If the kernel refuses what it knows.
pub fn enter(written: &[PathBuf]) -> io::Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    if shut_files(written)? == RulesetStatus::NotEnforced {
        missing.push("Landlock: the worker may write wherever its user may");
    }
    if !shut_calls()? {
        missing.push("seccomp on this processor: the worker may call whatever its user may");
    }
    Ok(missing)
}

fn shut_files(written: &[PathBuf]) -> io::Result<RulesetStatus> {
    // What an older kernel does not know of these it does not forbid.
    let abi = ABI::V5;
    let writes = AccessFs::from_write(abi);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writes | AccessFs::Execute)
        .and_then(Ruleset::create)
        .and_then(|created| created.add_rules(path_beneath_rules(written, writes)))
        .and_then(|created| created.restrict_self());
    ruleset.map(|status| status.ruleset).map_err(io::Error::other)
}

/// `false`: there is no filter for this processor.
fn shut_calls() -> io::Result<bool> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return Ok(false) };
    // glibc begins threads with clone3 and falls back to clone, whose flags can be seen.
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    apply(unknown, libc::ENOSYS, arch)?;
    apply(refused().map_err(io::Error::other)?, libc::EPERM, arch)?;
    Ok(true)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32, arch: TargetArch) -> io::Result<()> {
    let errno = u32::try_from(errno).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

/// Calls that are refused, always or with these arguments.
fn refused() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    let condition = |argument, op, value: i32| {
        SeccompCondition::new(argument, Len::Dword, op, u64::from(value.unsigned_abs()))
    };
    // A thread is no process.
    let a_process = condition(0, Op::MaskedEq(u64::from(libc::CLONE_THREAD.unsigned_abs())), 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![a_process])?]);
    let others = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    let another_family =
        others.iter().map(|family| condition(0, Op::Ne, *family)).collect::<Result<_, _>>()?;
    let raw = condition(1, Op::MaskedEq(0xf), libc::SOCK_RAW)?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(another_family)?, SeccompRule::new(vec![raw])?]);
    Ok(rules)
}

/// The directories of files, and of what they lead to where they are links.
pub(super) fn directories<'a>(files: impl Iterator<Item = &'a Path>) -> Vec<PathBuf> {
    let places = files.flat_map(|file| [Some(file.to_owned()), file.canonicalize().ok()]).flatten();
    let mut all: Vec<PathBuf> = places.filter_map(|file| file.parent().map(Path::to_owned)).collect();
    all.sort();
    all.dedup();
    all
}

/// Other programs and their memory; name spaces, mounts and keys; modules, tracing and the machine's clock.
const NEVER: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_personality,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_mknodat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_capset,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_a_link_may_be_written_where_it_leads() {
        let base = std::env::temp_dir().join(format!("evenkeel-links-{}", std::process::id()));
        let (logs, data) = (base.join("logs"), base.join("data"));
        std::fs::create_dir_all(&logs).unwrap();
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("access.log"), "").unwrap();
        std::os::unix::fs::symlink(data.join("access.log"), logs.join("access.log")).unwrap();
        let (link, missing) = (logs.join("access.log"), logs.join("none.log"));
        let found = directories([link.as_path(), missing.as_path(), Path::new("/")].into_iter());
        assert_eq!(found, [data.canonicalize().unwrap(), logs.clone()]);
        std::fs::remove_dir_all(&base).unwrap();
    }
}
