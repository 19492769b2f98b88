//! The stage: the hosts, the observers and the two nodes, and the waiting for what should happen.
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::cast::{App, CLIENT, CONFIG, Node, PerNode};
use super::event::{Event, Events, Reporter, What};
use super::net::{self, Host};
use super::netns::NetNs;
use super::node::{Launcher, Running};
use super::report::Measured;
use super::resident::Resident;
use super::sandbox::Sandbox;
use super::scene::Scene;
use super::screen::Screen;
use super::timeline::Timeline;
use super::{DemoError, addresses, backend, client, processes, wire};

/// Everything that plays, and what was seen of it.
#[derive(Debug)]
pub(super) struct Stage {
    /// What is the case.
    pub(super) scene: Scene,
    /// Where the story is told.
    pub(super) screen: Screen,
    /// How nodes are started.
    pub(super) launcher: Launcher,
    reporter: Reporter,
    events: Events,
    timeline: Timeline,
    act: Act,
    last_progress: Duration,
    deadline: Duration,
    nodes: PerNode<Option<Running>>,
    residents: Vec<Resident>,
    node_hosts: PerNode<Host>,
    client_host: Host,
    _backend_hosts: Vec<Host>,
}

/// The act that is played.
#[derive(Debug, Default)]
struct Act {
    began: Duration,
    held: PerNode<bool>,
    /// Bounded by the length of the demo; after the last act nothing is recorded.
    events: Vec<Event>,
    recorded: bool,
}

impl Stage {
    /// Builds the network, starts the backends and the observers. The nodes and the client come later.
    ///
    /// # Errors
    /// The step that failed.
    pub(super) fn build(
        sandbox: &Sandbox,
        screen: Screen,
        reporter: Reporter,
        events: Events,
    ) -> Result<Self, DemoError> {
        let launcher = prepare_files(sandbox).map_err(DemoError::at("write the configuration"))?;
        let netns_dir = sandbox.dir.join("netns");
        let host = |name: &str, addr| {
            let netns = NetNs::new(name, &netns_dir)?;
            Ok(Host { netns, addr })
        };
        let new_namespace = DemoError::at("make a network namespace");
        let node_hosts =
            PerNode::try_from_fn(|node| host(node.as_str(), node.addr())).map_err(new_namespace)?;
        let apps = App::ALL.map(|app| host(app.as_str(), app.addr()).map(|host| (app, host)));
        let apps: Vec<(App, Host)> =
            apps.into_iter().collect::<io::Result<_>>().map_err(DemoError::at("make a network namespace"))?;
        let client_host = host("client", CLIENT).map_err(DemoError::at("make a network namespace"))?;
        let nodes = Node::ALL.iter().map(|&node| node_hosts.of(node));
        let hosts = nodes.chain(apps.iter().map(|(_, host)| host)).chain([&client_host]);
        net::connect(hosts).map_err(DemoError::at("build the network"))?;
        let mut residents = vec![
            wire::listen(&client_host.netns, reporter.clone())
                .map_err(DemoError::at("listen on the wire"))?,
        ];
        for node in Node::ALL {
            let watch = addresses::watch(node, &node_hosts.of(node).netns, reporter.clone());
            residents.push(watch.map_err(DemoError::at("watch the VIP"))?);
        }
        for (app, host) in &apps {
            residents.push(backend::start(*app, &host.netns).map_err(DemoError::at("start a backend"))?);
        }
        Ok(Self {
            scene: Scene::default(),
            screen,
            launcher,
            deadline: reporter.now() + TOTAL_LIMIT,
            reporter,
            events,
            timeline: Timeline::default(),
            act: Act { recorded: true, ..Act::default() },
            last_progress: Duration::ZERO,
            nodes: PerNode::default(),
            residents,
            node_hosts,
            client_host,
            _backend_hosts: apps.into_iter().map(|(_, host)| host).collect(),
        })
    }

    /// Starts the client's requests.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start_client(&mut self) -> Result<(), DemoError> {
        let client = client::start(&self.client_host.netns, self.reporter.clone());
        self.residents.push(client.map_err(DemoError::at("start the client"))?);
        Ok(())
    }

    /// Starts `evenkeel run` on `node`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start_node(&mut self, node: Node) -> Result<(), DemoError> {
        let netns = &self.node_hosts.of(node).netns;
        let running =
            self.launcher.start(node, netns, self.reporter.clone()).map_err(DemoError::at("start a node"))?;
        *self.nodes.of_mut(node) = Some(running);
        self.did(format!("starts evenkeel on {node}"))
    }

    /// The node, which the story knows to be running.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn node(&self, node: Node) -> Result<&Running, DemoError> {
        self.nodes.of(node).as_ref().ok_or(DemoError::NotRunning { node: node.as_str() })
    }

    /// Takes the node off the stage: from here on its end is no surprise.
    ///
    /// # Errors
    /// When it is not running.
    pub(super) fn take_node(&mut self, node: Node) -> Result<Running, DemoError> {
        self.nodes.of_mut(node).take().ok_or(DemoError::NotRunning { node: node.as_str() })
    }

    /// Tells what the demo does.
    ///
    /// # Errors
    /// When nobody reads the output any more.
    pub(super) fn did(&mut self, text: String) -> Result<(), DemoError> {
        self.happens(What::Did(text))
    }

    /// Tells how the keeper of `node` ended.
    ///
    /// # Errors
    /// When nobody reads the output any more.
    pub(super) fn exited(&mut self, node: Node, status: String) -> Result<(), DemoError> {
        self.happens(What::Exited { node, status })
    }

    /// Begins an act: what happens from here on is measured, and told relative to this moment.
    ///
    /// # Errors
    /// When nobody reads the output any more.
    pub(super) fn begin_act(&mut self, heading: &str) -> Result<(), DemoError> {
        self.drain()?;
        self.screen.heading(heading).map_err(DemoError::Output)?;
        let began = self.reporter.now();
        self.timeline.begin_act(began);
        self.scene.forget_requests();
        self.act = Act { began, held: self.scene.held().clone(), events: Vec::new(), recorded: true };
        Ok(())
    }

    /// Ends the act and measures it.
    ///
    /// # Errors
    /// When nobody reads the output any more.
    pub(super) fn end_act(&mut self, title: &'static str) -> Result<Measured, DemoError> {
        self.drain()?;
        let measured = Measured::new(title, self.act.began, &self.act.held, &self.act.events);
        self.screen.line(&format!("             {}", measured.summary())).map_err(DemoError::Output)?;
        Ok(measured)
    }

    /// Ends recording: what follows may last for days.
    pub(super) fn stop_recording(&mut self) {
        self.act = Act::default();
        self.deadline = Duration::MAX;
    }

    /// Time since the start of the demo.
    pub(super) fn now(&self) -> Duration {
        self.reporter.now()
    }

    /// Time since the beginning of the act.
    pub(super) fn act_time(&self) -> Duration {
        self.reporter.now().saturating_sub(self.act.began)
    }

    /// Waits until `condition` holds, telling what happens meanwhile.
    ///
    /// # Errors
    /// [`DemoError::NotSeen`] after `limit`, and whatever ends the demo earlier: an interruption, a node that ended
    /// unasked, a condition that cannot be examined.
    pub(super) fn wait(
        &mut self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&mut Self) -> Result<bool, DemoError>,
    ) -> Result<(), DemoError> {
        let until = self.deadline.min(self.reporter.now().saturating_add(limit));
        loop {
            self.look()?;
            self.expect_nodes_alive()?;
            if condition(self)? {
                return Ok(());
            }
            if self.reporter.now() >= until {
                return Err(DemoError::NotSeen { what: what.to_owned(), limit, logs: self.logs() });
            }
        }
    }

    /// Lets time pass, telling what happens.
    ///
    /// # Errors
    /// As [`Self::wait`], without `NotSeen`.
    pub(super) fn linger(&mut self, time: Duration) -> Result<(), DemoError> {
        let until = self.reporter.now() + time;
        while self.reporter.now() < until {
            self.look()?;
            self.expect_nodes_alive()?;
        }
        Ok(())
    }

    /// One look at what happens: waits a moment for it and takes in all there is.
    ///
    /// # Errors
    /// When the demo is interrupted or nobody reads the output any more.
    pub(super) fn look(&mut self) -> Result<(), DemoError> {
        match self.events.recv_timeout(LOOK) {
            Ok(event) => self.handle(event)?,
            // The stage keeps a reporter itself, so the queue is never disconnected.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        self.drain()?;
        let now = self.reporter.now();
        if now.saturating_sub(self.last_progress) >= PROGRESS_INTERVAL {
            self.last_progress = now;
            self.screen.progress(&self.timeline.progress(now)).map_err(DemoError::Output)?;
        }
        if self.scene.is_interrupted() { Err(DemoError::Interrupted) } else { Ok(()) }
    }

    /// The node that ended unasked, if one did; it leaves the stage.
    ///
    /// # Errors
    /// When the kernel cannot tell.
    pub(super) fn fallen(&mut self) -> Result<Option<(Running, String)>, DemoError> {
        for node in Node::ALL {
            let Some(running) = self.nodes.of_mut(node) else { continue };
            if let Some(status) = running.ended().map_err(DemoError::at("tell how a node is"))? {
                return Ok(self.nodes.of_mut(node).take().map(|running| (running, status.to_string())));
            }
        }
        Ok(None)
    }

    /// Collects what died without its parent: this process is pid 1.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) fn bury_orphans(&self) -> Result<(), DemoError> {
        let keepers = Node::ALL.into_iter().filter_map(|node| self.nodes.of(node).as_ref().map(Running::pid));
        processes::bury_orphans(&keepers.collect::<Vec<_>>()).map_err(DemoError::at("collect dead processes"))
    }

    fn expect_nodes_alive(&mut self) -> Result<(), DemoError> {
        match self.fallen()? {
            Some((running, status)) => {
                Err(DemoError::Fell { node: running.node().as_str(), status, log: running.log_tail() })
            }
            None => Ok(()),
        }
    }

    /// Adds what the demo itself knows, behind all that came before it.
    fn happens(&mut self, what: What) -> Result<(), DemoError> {
        let at = self.reporter.now();
        self.drain()?;
        self.handle(Event { at, what })
    }

    fn drain(&mut self) -> Result<(), DemoError> {
        while let Ok(event) = self.events.try_recv() {
            self.handle(event)?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), DemoError> {
        self.scene.feed(&event);
        if let Some(line) = self.timeline.feed(&event) {
            let line = line.render(self.screen.color());
            self.screen.line(&line).map_err(DemoError::Output)?;
        }
        if self.act.recorded {
            self.act.events.push(event);
        }
        Ok(())
    }

    fn logs(&self) -> String {
        let running = Node::ALL.into_iter().filter_map(|node| self.nodes.of(node).as_ref());
        running
            .map(|running| format!("\nlast log lines of {}:\n{}", running.node(), running.log_tail()))
            .collect()
    }
}

/// The run-time root and the file both nodes read.
fn prepare_files(sandbox: &Sandbox) -> io::Result<Launcher> {
    let runtime_root: PathBuf = sandbox.dir.join("evenkeel");
    std::fs::create_dir(&runtime_root)?;
    std::fs::create_dir(sandbox.dir.join("netns"))?;
    let config = runtime_root.join("demo.toml");
    std::fs::write(&config, CONFIG)?;
    Ok(Launcher { binary: std::env::current_exe()?, config, runtime_root })
}

/// How long one look waits for something to happen.
const LOOK: Duration = Duration::from_millis(10);
/// Often enough to look alive.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// The demo ends by then, whatever happens.
const TOTAL_LIMIT: Duration = Duration::from_secs(40);
