//! The codes of diagnostics, each with the paragraph that `evenkeel explain CODE` prints.

/// Declares [`Code`] together with its names and explanations, so that none can lack one.
macro_rules! codes {
    ($($variant:ident $name:literal $text:literal)*) => {
        /// What a diagnostic is about. The names are stable: scripts may match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, as in `error[unknown-key]`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means and what to do, in one paragraph.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

impl Code {
    /// The code of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.as_str() == name)
    }
}

codes! {
    Syntax "syntax"
    "The text is not TOML at this place. The rest of the file is still checked, so that the other errors show in the same run; some of them may go away once the syntax is right."
    Unreadable "unreadable"
    "A file, environment variable or credential that the configuration refers to cannot be read. Relative paths start from the directory of the main file. A credential is a file in the directory that systemd names in CREDENTIALS_DIRECTORY (LoadCredential= in the unit)."
    Include "include"
    "An `include` names nothing that can be read, or stands in a file that is itself included. Patterns may have `*` in their last part; a pattern without a match is fine, a plain path that does not exist is not. Only the main file includes."
    UnknownKey "unknown-key"
    "The section has no key of this name. Keys are never ignored: a misspelt one would leave a default in force that nobody asked for. `evenkeel explain SECTION` lists the keys."
    MissingKey "missing-key"
    "The section does not work without this key."
    WrongType "wrong-type"
    "The value is of another type than the key takes, for instance a number where a duration with its unit is needed. `evenkeel explain KEY` says what it takes."
    BadValue "bad-value"
    "The value has the right type but is not one the key can take: out of range, an unknown word, or not well-formed. Durations and sizes always carry their unit, because a bare number means milliseconds to HAProxy and seconds to Keepalived."
    BadAddress "bad-address"
    "The value is not an address of the kind that is needed. Listening addresses are \"IP:PORT\", \"[IPv6]:PORT\" or \"*:PORT\"; servers are \"IP:PORT\", \"HOST:PORT\" with the name of a host, or a socket; virtual addresses are \"IP/LENGTH\" and can be neither loopback, multicast nor unspecified."
    Script "script"
    "A script cannot be used, or not in the way in which a rule uses it. Scripts are run when the configuration is read, with the limits that they have later: what is wrong with one is said with its file and line. An action is called where it is registered for (`http-req`, `http-res`) and with as many arguments as it is registered with."
    BadName "bad-name"
    "Names of sections, servers and nodes consist of letters, digits, `-`, `_`, `.` and `:`, at most 64 of them, so that they can stand in logs, metrics and commands."
    BadCombination "bad-combination"
    "Two keys that are each valid exclude one another. The message says which to drop."
    PerNode "per-node"
    "A table of values per node has no entry for a node. The same file is used on every node, so every such table must name every node that one of them names. The node's own name is `--node`, else EVENKEEL_NODE, else the host name up to the first dot."
    Duplicate "duplicate"
    "The same thing is defined twice: two sections or servers of one name, or a key of [global] or [defaults] in two files. Definitions are never merged silently; both places are shown."
    Undefined "undefined"
    "A name refers to a backend, profile, virtual router or script that is not defined in any file."
    ProfileCycle "profile-cycle"
    "Profiles refer to one another in a circle by `from`, so none of them has an end."
    TooMany "too-many"
    "There are more frontends, backends or virtual routers than the 65,535 that can be numbered."
    NoBind "no-bind"
    "A frontend without a `bind` can never be reached."
    BindOverlap "bind-overlap"
    "Two `bind` ask for the same address and port, or one of them asks for every address (`*`, `0.0.0.0`, `[::]`) on a port of which the other wants one address. Which of them a client reaches would be a matter of chance, and the kernel refuses it."
    NoRoute "no-route"
    "A frontend has no `default_backend`: every request is answered with 503, and in mode tcp every connection is closed."
    NoServer "no-server"
    "A backend has no server: every request to it is answered with 503, and in mode tcp every connection is closed."
    Mode "mode"
    "A section of mode tcp passes bytes on without reading them, so nothing that concerns HTTP has a place in it; and a frontend and its backend are of one mode. What [defaults] says of HTTP does no harm: it holds for sections of mode http."
    MissingTimeout "missing-timeout"
    "Without `connect`, `client` and `server` timeouts a peer that vanishes holds its connection for ever, and connections run out in the end. Set all three in [defaults]."
    Errorfile "errorfile"
    "An errorfile is sent as it is, so it must be a full HTTP/1 response: a status line with the status of its key, header lines, an empty line, each ended by CR LF, then the body. A `Content-Length` must be the length of the body, there is no `Transfer-Encoding`, and the whole fits into `bufsize`. Statuses are those the proxy can generate."
    Descriptors "descriptors"
    "Every connection of a client and every connection to a server is an open file, and a process may open only so many. With more connections than that clients wait although `maxconn` would let them in: connections that are idle are closed for them, but there may be none. Raise the limit of the service (LimitNOFILE= in its unit), or make `maxconn` smaller."
    Certificate "certificate"
    "A certificate cannot be used. A file of `crt` has a certificate with its chain and one private key without a passphrase, in any order; the key may have a file of its own beside it (`NAME.key` or `NAME.pem.key`). In a directory every file is one, but for those of names that start with a dot or end with .key, .ocsp, .issuer or .sctl."
    Cipher "cipher"
    "The name is not that of a cipher or curve that is supported. All that are here have forward secrecy and authenticate what they encrypt; what OpenSSL calls rules, such as `HIGH` or `!aNULL`, are not needed to exclude others. The message lists what there is."
    Tls "tls"
    "The keys do not make TLS together: `ssl = true` needs `crt`, the other keys of TLS need `ssl = true`, and asking clients for certificates (`verify`) needs the authorities that these must come from (`ca_file`)."
    CheckSteps "check-steps"
    "The steps of a check make no sense in this order. Each step does one thing. `status` and `header` are expected of an HTTP response, so an HTTP `send` or `httpchk` comes before them; with `httpchk` there is no other `send`. A protocol such as `mysql` is alone on its connection. A text that is expected in answer to a text without a newline at its end would never come from a server that reads lines: end the text by a newline, or say `raw = true`."
    CheckWithoutHost "check-without-host"
    "An HTTP/1.1 request without a Host field is answered with 400 by servers that follow RFC 9112 §3.2, and the server would be held down for it; so is one of HTTP/2, whose authority it would be. Add the header, or check with HTTP/1.0."
    SecretExposed "secret-exposed"
    "A file with a secret can be read or changed by every user of the machine. Take the rights of others away: chmod o= FILE."
    SecretPlaceholder "secret-placeholder"
    "The password is one that manuals print. Whoever reads the manual knows it; choose one, and put it in a file: auth_pass = \"file:/etc/evenkeel/vrrp.pass\"."
    OpenStats "open-stats"
    "The statistics page tells names, addresses and load of everything behind the proxy. Where others than this machine can connect to it, it wants to know who they are: auth = { NAME = \"file:…\" }. Or let it listen on 127.0.0.1."
    AuthPassLength "auth-pass-length"
    "VRRP version 2 carries a password of at most 8 bytes. Keepalived cuts a longer one silently; two nodes then agree on a password nobody wrote. An empty one is no password: leave `authentication` out."
    VrrpVersion "vrrp-version"
    "Version 2 carries IPv4 only; version 3 has no authentication (RFC 9568 §1.3). For IPv6 use version 3, with a password version 2."
    VrrpInterval "vrrp-interval"
    "The interval cannot be sent. Version 2 carries whole seconds from 1 to 255, version 3 steps of 10 ms up to 40.95 s (RFC 9568 §5.2.7)."
    VrrpNoAddress "vrrp-no-address"
    "A virtual router without an address has nothing to move: list one in `virtual_ipaddress`."
    VrrpAddresses "vrrp-addresses"
    "The list of addresses cannot be advertised: they are of two families, more than 20, one stands twice, or the first IPv6 address is not a link-local one (RFC 9568 §5.2.9). Addresses of the other family and those beyond 20 go into `virtual_ipaddress_excluded`, or into a second virtual router in the same sync group."
    VrrpDuplicateId "vrrp-duplicate-id"
    "Two virtual routers of one family have the same `virtual_router_id` on the same interface; each would take the other's adverts for its own."
    VrrpReservedPriority "vrrp-reserved-priority"
    "Priority 1 is what a node advertises that is unfit, priority 2 what one advertises that reaches none of its servers, so that every other node outranks them. Use 3 to 254, or 255 for the owner of the addresses."
    VrrpEqualPriorities "vrrp-equal-priorities"
    "Two nodes have the same priority, so the higher address decides which of them is MASTER, and after a split both can be. Give each its own."
    VrrpNeverMoves "vrrp-never-moves"
    "With the tracked thing failed on the preferred node, its priority is still not below that of the other node: the weight is too small to move the addresses. This is how most hand-written Keepalived pairs fail to fail over. Drop the weight, so that a failure takes the node out whatever the priorities, or make it larger than the difference of the priorities."
    VrrpNopreemptWeight "vrrp-nopreempt-weight"
    "With `preempt = \"never\"` a BACKUP does not take over from a MASTER that is still there, however low its priority has become; so a weight moves nothing. Drop the weight: a failure then takes the node out, and the other takes over."
    VrrpLease "vrrp-lease"
    "The lease is the time after which a node that could not send an advert loses its addresses by itself. It must be longer than `advert_int`, or it ends between two adverts, and shorter than `advert_int` × `down_timer_adverts`, or a peer takes over while this node still has the addresses."
    VrrpPeer "vrrp-peer"
    "A unicast peer is one of the other nodes: an address of the router's family, not this node's own, and given once."
    VrrpSource "vrrp-source"
    "The source address of adverts is one of this node's own addresses: of the router's family, and `unicast_src_ip` with `unicast_peer`, `mcast_src_ip` without."
    VrrpUntracked "vrrp-untracked"
    "The virtual router does not watch the proxy: if it dies, the node keeps the addresses and refuses every client. Leave `track` out, or put \"data_plane\" in it."
    VrrpSubnet "vrrp-subnet"
    "No address of the interface is in the subnet of the virtual address, so hosts there will not find it by ARP or neighbour discovery unless routes say so. Check the address and the interface."
    SyncGroup "sync-group"
    "A sync group has at least two members, none of them in another group. A member's tracks have no weight: a changed priority would move one member without the others."
    Unused "unused"
    "Something is defined and nothing refers to it. It has no effect."
    Refused "refused"
    "The values are each valid, but the engine that has to work with them refuses them together. The message is the engine's."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_kebab_case_and_explained() {
        let mut seen = std::collections::BTreeSet::new();
        for c in Code::ALL {
            assert!(seen.insert(c.as_str()), "{}", c.as_str());
            assert!(c.as_str().chars().all(|x| x.is_ascii_lowercase() || x == '-'), "{}", c.as_str());
            assert!(c.explanation().len() > 40 && c.explanation().ends_with('.'), "{}", c.as_str());
            assert!(!c.explanation().contains('\n'), "{}: one paragraph", c.as_str());
            assert_eq!(Code::named(c.as_str()), Some(*c));
        }
        assert_eq!(Code::named("no-such-code"), None);
    }
}
