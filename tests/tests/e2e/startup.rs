//! Before a node runs, and how it ends.

use std::time::{Duration, Instant};

use evenkeel_tests::lab::client::get;
use evenkeel_tests::lab::node::run_to_end;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{Node, PairConfig, Role};

use super::pair::{Pair, http};

#[test]
fn a_wrong_configuration_starts_nothing_and_says_everything_at_once() {
    let lab = evenkeel_tests::lab::Lab::new();
    let text = PairConfig { priority: "300", advert: "2 parsecs", ..PairConfig::default() }.render();
    let text = text.replace("default_backend = \"b\"", "default_backend = \"c\"");
    let mut node = Node::start(&lab.a, &text);
    let status = node.wait_exit(SOON);
    assert_eq!(status.code(), Some(1));
    for wrong in ["priority = 300", "2 parsecs", "\"c\"", "evenkeel.toml:"] {
        wait_said(&node, wrong);
    }
    assert!(node.pids(Role::Guard).is_empty() && node.pids(Role::Worker).is_empty(), "nothing was started");
    assert!(!node.scratch().path().join("run").join("control.sock").exists());

    let file = node.scratch().write("again.toml", &text);
    let file = file.to_str().unwrap();
    let (code, _, human) = run_to_end(&lab.a, &["check", "--node", "a", "--config", file]);
    assert_eq!(code, Some(1));
    assert!(human.contains("2 parsecs"), "{human}");
    let (code, out, err) =
        run_to_end(&lab.a, &["check", "--node", "a", "--format", "json", "--config", file]);
    assert_eq!(code, Some(1));
    let json: Vec<serde_json::Value> =
        format!("{out}{err}").lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    assert!(json.len() >= 3, "one object for each: {out}{err}");
}

/// Waits until a line of the node's log has this; a process can be gone before all it said has been read.
fn wait_said(node: &Node, text: &str) {
    wait::until_true(&format!("{text:?} is said"), SOON, || {
        node.log().iter().any(|line| line.text.contains(text))
    });
}

#[test]
fn a_good_configuration_passes_the_check() {
    let lab = evenkeel_tests::lab::Lab::new();
    let scratch = Scratch::new("check");
    for config in [PairConfig::default(), PairConfig::v2(), PairConfig::without_proxy()] {
        let file = scratch.write("evenkeel.toml", &config.render());
        let (code, out, err) =
            run_to_end(&lab.a, &["check", "--node", "a", "--config", file.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{out}{err}");
    }
    let (code, _, _) = run_to_end(&lab.a, &["chekc"]);
    assert_eq!(code, Some(2), "a wrong command line");
}

#[test]
fn a_second_instance_on_the_same_directory_is_refused_and_harms_nothing() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let begin = Instant::now();
    let mut second = Node::start_in(&pair.lab.a, &pair.config, pair.a.scratch());
    assert_eq!(second.wait_exit(SOON).code(), Some(1));
    wait_said(&second, "another evenkeel runs");
    prober.run_for(Duration::from_millis(300));
    let report = prober.stop().since(begin);
    assert_eq!(report.failed(), 0, "{report}");
    assert!(pair.a.transitions().iter().all(|t| t.at < begin));
    assert!(pair.a.status().is_some(), "the first one answers its control socket");
}

#[test]
fn sigterm_lets_a_slow_request_finish() {
    let mut pair = Pair::start(&PairConfig::default());
    // Through the node's own address: that stays when the VIP goes.
    let target = http(pair.lab.a.v4.into());
    let client = pair.lab.client.clone();
    let slow = std::thread::spawn(move || get(&client, target, "/slow?ms=1000", Duration::from_secs(10)));
    let begun = Instant::now();
    wait::until_true("the request is under way", SOON, || pair.servers.iter().any(|s| s.requests() > 0));
    let status = pair.a.terminate();
    assert_eq!(slow.join().unwrap(), Ok(200), "drained, not cut");
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(1000), "the keeper waited for it");
    assert!(!pair.owners.holds(0, VIP4));
}

#[test]
fn sigterm_cuts_what_does_not_finish_within_the_limit() {
    let mut pair = Pair::start(&PairConfig::default());
    let target = http(pair.lab.a.v4.into());
    let client = pair.lab.client.clone();
    let slow = std::thread::spawn(move || get(&client, target, "/slow?ms=8000", Duration::from_secs(10)));
    wait::until_true("the request is under way", SOON, || pair.servers.iter().any(|s| s.requests() > 0));
    let begun = Instant::now();
    let status = pair.a.terminate();
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(6),
        "hard_stop_after is 2 s: {took:?}"
    );
    assert!(slow.join().unwrap().is_err());
}
