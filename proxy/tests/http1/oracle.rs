//! The real HAProxy, to be compared with.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::common::{PATIENCE, closed_port};

/// A running HAProxy with one frontend and one backend; killed when dropped.
pub(crate) struct Haproxy {
    pub(crate) addr: SocketAddr,
    process: Child,
    config: PathBuf,
    records: UdpSocket,
}

impl Haproxy {
    /// Starts Debian's HAProxy with these lines in its backend.
    pub(crate) fn start(backend: &str) -> Self {
        Self::start_with("", backend)
    }

    /// The same with more lines in its defaults.
    pub(crate) fn start_with(defaults: &str, backend: &str) -> Self {
        Self::start_whole(defaults, "", backend)
    }

    /// The same with more lines in its frontend.
    pub(crate) fn start_whole(defaults: &str, frontend: &str, backend: &str) -> Self {
        let addr = closed_port();
        let records = UdpSocket::bind("127.0.0.1:0").unwrap();
        records.set_read_timeout(Some(PATIENCE)).unwrap();
        let config =
            std::env::temp_dir().join(format!("evenkeel-oracle-{}-{}.cfg", std::process::id(), addr.port()));
        let text = format!(
            "global\n log {} local0\ndefaults\n mode http\n log global\n option httplog\n retries 0\n \
             timeout connect 20s\n timeout client 60s\n timeout server 60s\n{defaults}\
             frontend front\n bind {addr}\n default_backend back\n{frontend}backend back\n{backend}",
            records.local_addr().unwrap()
        );
        std::fs::write(&config, text).unwrap();
        let started = Command::new("haproxy")
            .arg("-f")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = started.expect("haproxy is installed (apt-get install haproxy)");
        let oracle = Self { addr, process, config, records };
        oracle.wait();
        oracle
    }

    fn wait(&self) {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(self.addr).is_err() {
            assert!(Instant::now() < end, "HAProxy listens in time");
            std::thread::yield_now();
        }
    }

    /// The next access record that is of a request, without the client's address and the date.
    pub(crate) fn record(&self) -> String {
        loop {
            let mut bytes = [0; 4096];
            let n = self.records.recv(&mut bytes).expect("an access record of HAProxy");
            let line = String::from_utf8_lossy(&bytes[..n]).trim_end().to_owned();
            match line.split_once("] ") {
                Some((_, record)) if record.contains("HTTP/1.1\"") => return record.to_owned(),
                _ => {}
            }
        }
    }
}

impl Haproxy {
    /// The next line of the log that holds `mark`, with its header.
    pub(crate) fn line_with(&self, mark: &str) -> String {
        loop {
            let mut bytes = [0; 4096];
            let n = self.records.recv(&mut bytes).expect("a line of HAProxy");
            let line = String::from_utf8_lossy(&bytes[..n]).trim_end_matches('\n').to_owned();
            if line.contains(mark) {
                return line;
            }
        }
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // What has ended already needs no killing.
        self.process.kill().unwrap_or_default();
        drop(self.process.wait());
        std::fs::remove_file(&self.config).unwrap_or_default();
    }
}
