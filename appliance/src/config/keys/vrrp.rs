//! Keys of virtual routers, their scripts and groups.

use super::{DAY, Key, SECOND, Section, Type, ms};

/// `[vrrp.X]`.
pub static VRRP: Section = Section {
    path: "vrrp.NAME",
    called: "a virtual router",
    doc: "Addresses that are on exactly one of the nodes, by election (Keepalived: `vrrp_instance`). At a \
          reload one with the same interface, family, VRID and `use_vmac` goes on in its state; another one lets go or begins.",
    keys: &[
        Key::new("interface", Type::Text("an interface name"), "Interface the router speaks on. It may appear later.")
            .required()
            .per_node(),
        Key::new("virtual_router_id", Type::Int { min: 1, max: 255 }, "Number of the router: the same on all its nodes, no other router's on the link.")
            .required(),
        Key::new(
            "priority",
            Type::Int { min: 1, max: 255 },
            "The node with the highest one is MASTER; 255 owns the addresses. 1 and 2 are kept for nodes that cannot serve.",
        )
        .default("100")
        .per_node(),
        Key::new("version", Type::Int { min: 2, max: 3 }, "VRRP version. The same on all nodes.")
            .default_is("2, with IPv6 addresses 3"),
        Key::new(
            "advert_int",
            ms(10, 255 * SECOND),
            "Time between adverts. Version 2: whole seconds; version 3: steps of 10 ms, at most 40.95 s.",
        )
        .default("\"1s\""),
        Key::new("authentication", Type::Table(&AUTHENTICATION), "Password of version 2. It is sent in clear: it keeps accidents out, not attackers."),
        Key::new(
            "virtual_ipaddress",
            Type::Forms("an array of addresses or tables", Some(&VIP)),
            "The addresses, in the order they are advertised; at most 20. The first one gives the family. Without a \
             prefix length: /32, IPv6 /128.",
        ),
        Key::new(
            "virtual_ipaddress_excluded",
            Type::Forms("an array of addresses or tables", Some(&VIP)),
            "Addresses that move along without being advertised: more than 20, or of the other family.",
        ),
        Key::new(
            "preempt",
            Type::Forms("\"always\", \"never\" or { after = \"60s\" }", Some(&PREEMPT)),
            "Whether a node with a higher priority takes over from a fit MASTER.",
        )
        .default("\"always\""),
        Key::new(
            "unicast_peer",
            Type::Text("an IP address or an array of them"),
            "Sends adverts to these addresses instead of the multicast group.",
        )
        .per_node(),
        Key::new("unicast_src_ip", Type::Text("an IP address"), "Source address of unicast adverts.")
            .default_is("the interface's primary address")
            .per_node(),
        Key::new("mcast_src_ip", Type::Text("an IP address"), "Source address of multicast adverts.")
            .default_is("the interface's primary address, IPv6: its link-local one")
            .per_node(),
        Key::new("check_unicast_src", Type::Bool, "Drops adverts that come from none of `unicast_peer`.").default("true"),
        Key::new("use_vmac", Type::Bool, "Puts the addresses on a macvlan interface with the virtual MAC address.").default("false"),
        Key::new(
            "checksum",
            Type::Word(&["rfc5798", "rfc9568", "old_unicast"]),
            "Form of the checksum of version 3 over IPv4 that is sent until a peer's form is learned. All are accepted. \
             Keepalived sends `rfc5798`.",
        )
        .default("\"rfc5798\""),
        Key::new(
            "vip_mismatch",
            Type::Word(&["drop", "accept"]),
            "What becomes of an advert that lists other addresses. Keepalived takes it.",
        )
        .default("\"drop\""),
        Key::new("garp_master_repeat", Type::Int { min: 1, max: 255 }, "Announcements per address at once on becoming MASTER.").default("5"),
        Key::new("garp_master_delay", ms(0, 255 * SECOND), "When the second round comes; \"0s\": none.").default("\"5s\""),
        Key::new("garp_master_refresh", ms(0, DAY), "Period of announcements while MASTER; \"0s\": none.").default("\"60s\""),
        Key::new("garp_master_refresh_repeat", Type::Int { min: 1, max: 255 }, "Announcements per address in each period.").default("1"),
        Key::new("garp_lower_prio_repeat", Type::Int { min: 0, max: 255 }, "Most announcements after hearing a MASTER of lower priority. Whatever is said here, they are at most two at once and five within ten seconds.")
            .default("5"),
        Key::new(
            "track",
            Type::Forms("an array of names or tables", Some(&TRACK)),
            "What can change the priority or take the node out: \"data_plane\", the name of a script, or tables.",
        )
        .default_is("[\"data_plane\"] if there is a frontend, else []"),
        Key::new(
            "lease",
            ms(10, 255 * SECOND),
            "A node that could not send an advert for this long loses its addresses by itself. More than `advert_int`, \
             less than the time after which a peer takes over.",
        )
        .default_is("`advert_int` × (`down_timer_adverts` − ½)"),
        Key::new("down_timer_adverts", Type::Int { min: 2, max: 100 }, "Silent intervals that make a MASTER dead.").default("3"),
        Key::new("notify_master", COMMAND, "Program that is run on becoming MASTER. There is no shell."),
        Key::new("notify_backup", COMMAND, "Program that is run on becoming BACKUP."),
        Key::new("notify_fault", COMMAND, "Program that is run on entering FAULT."),
        Key::new("notify_stop", COMMAND, "Program that is run when the router stops."),
    ],
    hints: &[
        ("state", "there is no initial state: the election decides. Give the preferred node the higher priority"),
        ("nopreempt", "preempt = \"never\""),
        ("preempt_delay", "preempt = { after = \"60s\" }"),
        ("track_script", "track = [\"data_plane\", \"NAME\"], with [vrrp_script.NAME]"),
        ("track_interface", "track = [\"data_plane\", { interface = \"eth1\" }]"),
        ("track_file", "track = [\"data_plane\", { file = \"/path\", weight = 1 }]"),
        ("track_process", "track = [\"data_plane\"]: the proxy is watched without a script"),
        ("vrid", "virtual_router_id"),
        ("virtual_routes", "there are no virtual routes"),
        ("accept", "the addresses always accept traffic"),
        ("version_3", "version = 3"),
        ("auth_pass", "authentication = { auth_type = \"PASS\", auth_pass = \"file:…\" }"),
        ("auth_type", "authentication = { auth_type = \"PASS\", auth_pass = \"file:…\" }"),
        ("notify", "notify_master, notify_backup, notify_fault and notify_stop"),
    ],
};

/// `authentication`.
pub static AUTHENTICATION: Section = Section {
    path: "vrrp.NAME.authentication",
    called: "authentication",
    doc: "Password of VRRP version 2.",
    keys: &[
        Key::new("auth_type", Type::Word(&["PASS"]), "Kind of authentication.").default("\"PASS\""),
        Key::new("auth_pass", Type::Secret, "The password, 1 to 8 bytes.").required(),
    ],
    hints: &[("password", "auth_pass"), ("pass", "auth_pass")],
};

/// The table form of `preempt`.
pub static PREEMPT: Section = Section {
    path: "vrrp.NAME.preempt",
    called: "preempt",
    doc: "Preemption after a while.",
    keys: &[Key::new("after", ms(0, 1000 * SECOND), "Only after the node has been ready for this long.")
        .required()],
    hints: &[("delay", "after")],
};

/// The table form of an address.
pub static VIP: Section = Section {
    path: "vrrp.NAME.virtual_ipaddress",
    called: "a virtual address",
    doc: "A virtual address.",
    keys: &[
        Key::new("addr", Type::Text("\"IP\" or \"IP/LENGTH\""), "The address.").required(),
        Key::new("dev", Type::Text("an interface name"), "Interface that carries it.")
            .default_is("the router's"),
    ],
    hints: &[("address", "addr"), ("interface", "dev")],
};

/// The table form of a track.
pub static TRACK: Section = Section {
    path: "vrrp.NAME.track",
    called: "a track",
    doc: "One of `data_plane`, `script`, `interface` and `file`, and what its failure does.",
    keys: &[
        Key::new("data_plane", Type::Bool, "The proxy of this node; only `true`."),
        Key::new("script", Type::Text("the name of a vrrp_script"), "A check program."),
        Key::new("interface", Type::Text("an interface name"), "Another interface: up and running, or not."),
        Key::new("file", Type::Text("an absolute path"), "A file with a number, which is multiplied by the weight."),
        Key::new(
            "weight",
            Type::Int { min: -253, max: 253 },
            "Added to the priority on success if positive, on failure if negative. Not said, or 0: a failure takes the \
             node out.",
        )
        .default_is("of a script: the script's, else 0"),
        Key::new("reverse", Type::Bool, "Turns success and failure round.").default_is("of a script: the script's, else false"),
    ],
    hints: &[],
};

/// `[vrrp_script.X]`.
pub static VRRP_SCRIPT: Section = Section {
    path: "vrrp_script.NAME",
    called: "a vrrp_script",
    doc: "A check program, run without a shell. Exit code 0 is success; anything else, a signal or a timeout is failure.",
    keys: &[
        Key::new("script", COMMAND, "The program.").required(),
        Key::new("interval", ms(10, DAY), "Time between starts.").default("\"1s\""),
        Key::new("timeout", ms(10, DAY), "A run that takes longer is ended and counts as a failure.")
            .default_is("`interval`"),
        Key::new("rise", Type::Int { min: 1, max: 1000 }, "Successes in a row that turn it good.")
            .default("1"),
        Key::new("fall", Type::Int { min: 1, max: 1000 }, "Failures in a row that turn it bad.").default("1"),
        Key::new("weight", Type::Int { min: -253, max: 253 }, "Weight for tracks that say none.")
            .default("0"),
        Key::new("reverse", Type::Bool, "Turns success and failure round, for tracks that do not say.")
            .default("false"),
        Key::new("init_fail", Type::Bool, "Counts as failed until `rise` successes.").default("false"),
        Key::new("user", Type::Text("a user name"), "User to run as.").default_is("`script_user`"),
    ],
    hints: &[("command", "script")],
};

/// `[sync_group.X]`.
pub static SYNC_GROUP: Section = Section {
    path: "sync_group.NAME",
    called: "a sync_group",
    doc: "Virtual routers that are MASTER together or not at all (Keepalived: `vrrp_sync_group`).",
    keys: &[Key::new(
        "group",
        Type::Text("an array of names of virtual routers"),
        "The members; at least two.",
    )
    .required()],
    hints: &[("members", "group"), ("group_members", "group")],
};

const COMMAND: Type = Type::Text("an absolute path or an array of a path and arguments");
