//! Certificates: shown, set, committed, given up.

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

use super::{Bench, Level};

/// A certificate for a name, and its key.
struct Made {
    certificate: String,
    key: String,
}

impl Made {
    fn new(name: &str) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        Self { certificate: cert.pem(), key: signing_key.serialize_pem() }
    }

    fn whole(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }
}

const SECTIONS: &str = "[frontend.tls]\nbind = [\n\
     { addr = \"127.0.0.1:4\", ssl = true, crt = [\"site.pem\", \"other.pem\"] },\n\
     { addr = \"127.0.0.1:5\", ssl = true, crt = \"site.pem\" },\n]\ndefault_backend = \"be\"\n";

fn bench(level: Level) -> Bench {
    let (site, other) = (Made::new("site.example").whole(), Made::new("other.example").whole());
    Bench::with_files(level, SECTIONS, &[("site.pem", &site), ("other.pem", &other)])
}

impl Bench {
    /// Says a command and its payload.
    fn give(&mut self, line: &str, payload: &str) -> String {
        let lines = [&format!("{line} <<"), payload, ""].join("\n");
        let said: Vec<String> = lines.split('\n').filter(|l| !l.is_empty()).map(|l| self.say(l)).collect();
        assert!(said.iter().all(String::is_empty), "{said:?}");
        self.say("")
    }

    /// Whom the certificates of a file are for, of each listener that has it.
    fn names(&self, file: &str) -> Vec<String> {
        let acceptors = self.sight.plan().listeners().iter().filter_map(|l| l.tls.as_ref());
        let all = acceptors.map(|acceptor| acceptor.certificates());
        all.flat_map(|certificates| {
            let own = certificates.all().iter().filter(|c| c.file() == file);
            own.flat_map(|c| c.described().names).collect::<Vec<_>>()
        })
        .collect()
    }
}

/// What acme.sh looks for in answers is what it finds in HAProxy's.
#[test]
fn a_certificate_is_replaced_everywhere_at_once() {
    let mut bench = bench(Level::Admin);
    assert_eq!(bench.say("show ssl cert"), "# filename\nother.pem\nsite.pem\n\n");
    let before = bench.say("show ssl cert site.pem");
    assert!(before.starts_with("Filename: site.pem\nStatus: Used\nSerial: "), "{before}");
    assert!(before.contains("\nSubject Alternative Name: DNS:site.example\nAlgorithm: EC256\n"), "{before}");
    let new = Made::new("new.example");
    assert_eq!(
        bench.give("set ssl cert site.pem", &new.whole()),
        "Transaction created for certificate site.pem!\n\n"
    );
    assert_eq!(bench.say("show ssl cert"), "# transaction\n*site.pem\n# filename\nother.pem\nsite.pem\n\n");
    let prepared = bench.say("show ssl cert *site.pem");
    assert!(prepared.starts_with("Filename: *site.pem\nStatus: Unused\n"), "{prepared}");
    assert_eq!(bench.say("show ssl cert site.pem"), before, "nothing has changed yet");
    assert_eq!(bench.say("commit ssl cert site.pem"), "Committing site.pem..\nSuccess!\n\n");
    assert_eq!(bench.names("site.pem"), ["DNS:new.example", "DNS:new.example"]);
    assert_eq!(bench.names("other.pem"), ["DNS:other.example"]);
    assert!(bench.say("show ssl cert site.pem").contains("DNS:new.example"));
    assert_eq!(
        bench.say("commit ssl cert site.pem"),
        "No ongoing transaction!\nCan't commit site.pem!\n\n",
        "it is over"
    );
}

#[test]
fn what_is_not_good_changes_nothing() {
    let mut bench = bench(Level::Admin);
    let (one, two) = (Made::new("one.example"), Made::new("two.example"));
    let mixed = format!("{}{}", one.certificate, two.key);
    let unknown = "Can't replace a certificate which is not referenced by the configuration!";
    for (line, payload, why) in [
        (
            "site.pem",
            mixed.as_str(),
            "'site.pem' has a private key that belongs to none of its certificates.",
        ),
        ("site.pem", "rubbish", "'site.pem' has no certificate."),
        ("site.pem.key", "rubbish", "'site.pem.key' has no private key."),
        ("nope.pem", &mixed, unknown),
        ("nope.pem.key", &mixed, unknown),
    ] {
        let said = bench.give(&format!("set ssl cert {line}"), payload);
        assert_eq!(said, format!("{why}\nCan't update {line}!\n\n"));
        assert_eq!(bench.say("show ssl cert"), "# filename\nother.pem\nsite.pem\n\n", "{line}");
    }
    for (line, answer) in [
        ("set ssl cert", "'set ssl cert' expects a filename and a certificate as a payload.\n\n"),
        ("set ssl cert site.pem x", "'set ssl cert' expects a filename and a certificate as a payload.\n\n"),
        ("commit ssl cert", "'commit ssl cert' expects a filename.\n\n"),
        ("abort ssl cert", "'abort ssl cert' expects a filename\n\n"),
        ("abort ssl cert site.pem", "No ongoing transaction!\n\n"),
        (
            "show ssl cert nope",
            "Can't display the certificate: Not found or the certificate is a bundle!\n\n",
        ),
        (
            "show ssl cert *site.pem",
            "Can't display the certificate: Not found or the certificate is a bundle!\n\n",
        ),
    ] {
        assert_eq!(bench.say(line), answer, "{line}");
    }
    assert_eq!(bench.names("site.pem"), ["DNS:site.example", "DNS:site.example"]);
}

#[test]
fn a_key_may_come_by_itself_and_a_transaction_may_be_given_up() {
    let mut bench = bench(Level::Admin);
    let (one, two) = (Made::new("one.example"), Made::new("two.example"));
    let updated = "Transaction updated for certificate site.pem!\n\n";
    bench.give("set ssl cert site.pem", &one.certificate);
    assert_eq!(bench.say("show ssl cert *site.pem"), "Filename: *site.pem\nStatus: Empty\n\n");
    let missing =
        "The transaction must contain at least a certificate and a private key!\nCan't commit site.pem!\n\n";
    assert_eq!(bench.say("commit ssl cert site.pem"), missing);
    let other = "The ongoing transaction is about 'site.pem' but you are trying to set 'other.pem'\n";
    let refused = format!("{other}Can't update other.pem!\n\n");
    assert_eq!(bench.give("set ssl cert other.pem", &two.whole()), refused);
    assert_eq!(bench.say("commit ssl cert other.pem"), format!("{other}Can't commit other.pem!\n\n"));
    let mismatch = "'site.pem.key' has a private key that belongs to none of its certificates.\n\
                    Can't update site.pem.key!\n\n";
    assert_eq!(bench.give("set ssl cert site.pem.key", &two.key), mismatch);
    assert_eq!(bench.give("set ssl cert site.pem.key", &one.key), updated);
    assert_eq!(bench.say("abort ssl cert site.pem"), "Transaction aborted for certificate 'site.pem'!\n\n");
    assert_eq!(bench.names("site.pem"), ["DNS:site.example", "DNS:site.example"]);
    // A key first, then what it belongs to.
    bench.give("set ssl cert site.pem.key", &one.key);
    assert_eq!(bench.give("set ssl cert site.pem", &one.certificate), updated);
    assert_eq!(bench.say("commit ssl cert site.pem"), "Committing site.pem..\nSuccess!\n\n");
    assert_eq!(bench.names("site.pem"), ["DNS:one.example", "DNS:one.example"]);
    // Of a kind of key that nobody has.
    let strange = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    assert!(bench.give("set ssl cert site.pem", &strange).contains("has no certificate.\n"));
}

#[test]
fn certificates_are_for_admins_to_change_and_operators_to_see() {
    let mut operator = bench(Level::Operator);
    assert!(operator.say("show ssl cert").starts_with("# filename\n"));
    for line in ["commit ssl cert site.pem", "abort ssl cert site.pem"] {
        assert_eq!(operator.say(line), "Permission denied\n\n");
    }
    assert_eq!(operator.give("set ssl cert site.pem", "x"), "Permission denied\n\n");
    assert_eq!(bench(Level::User).say("show ssl cert"), "Permission denied\n\n");
}
